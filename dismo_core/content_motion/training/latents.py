"""Clips as the diffusion models see them: content frame and motion latent, encoded at each step or once for all."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import DisMoError
from ...files import atomic_write, save_tensors
from ...training.distributed import World
from ...training.share import Share
from ...weights.files import read_weights
from ..clips import middle_of
from ..models.autoencoder import ContentMotionAutoencoder
from .batches import Batch, ClipSource

log = logging.getLogger(__name__)


class Encoded(NamedTuple):
    """Clips taken apart.

    Args:
        content: [B,C,H,W].
        motion: [B,D,L,W'+H'].
        labels: int64 [B].
        middle: [B,C,H,W], the middle frame of each clip; None = not kept.
    """

    content: Tensor
    motion: Tensor
    labels: Tensor
    middle: Tensor | None = None


@dataclass(frozen=True)
class Encoder:
    """A frozen autoencoder, with what makes its inputs of clips.

    Args:
        autoencoder: in evaluation mode.
        prepare: clips [B,3,L,H,W] -> what it takes, on its device; see `latent_clips`.
        with_middle: whether the middle frames are kept.
    """

    autoencoder: ContentMotionAutoencoder
    prepare: Callable[[Tensor], Tensor]
    with_middle: bool = False

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Encoded:
        """Take a batch apart."""
        clips = self.prepare(batch.clips)
        content, motion = self.autoencoder.encode(clips)
        middle = middle_of(clips).float() if self.with_middle else None
        return Encoded(content.float(), motion.float(), batch.labels.to(content.device), middle)


def content_or_middle(encoded: Encoded, share: float) -> Tensor:
    """The content frames [B,C,H,W], in a share of the clips the middle frames, drawn from torch's common generator."""
    if encoded.middle is None:
        return encoded.content
    chosen = (torch.rand(len(encoded.content)) < share).to(encoded.content.device)
    return torch.where(chosen[:, None, None, None], encoded.middle, encoded.content)


def spread(source: ClipSource, encoder: Encoder, clips: int = 128) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of the motion latents, of the first so many clips of a source."""
    items = source.items(0, range(min(clips, len(source))))
    motion = torch.cat([encoder(item).motion.cpu() for _, item in items])
    return motion.mean(dim=(0, 2, 3)).tolist(), motion.std(dim=(0, 2, 3)).clamp_min(1e-3).tolist()


class CachedLatents:
    """Encoded clips in a file, in batches: every item of a source `starts` times, in an order of its own in each epoch.

    Args:
        path: of the file.
        share: of each batch.
        seed: of the order.

    Raises:
        DisMoError: fewer than a batch.
    """

    def __init__(self, path: Path, share: Share, seed: int) -> None:
        self.encoded = Encoded(**read_weights(path).tensors)
        self.share, self.seed = share, seed
        if len(self.encoded.labels) < share.batch:
            raise DisMoError(
                f"There are {len(self.encoded.labels)} encoded clips, fewer than the {share.batch} of a batch. Take a smaller batch."
            )

    def batches(self, first: int, last: int) -> Iterator[Encoded]:
        """Batches number `first` to `last` - 1 of this process."""
        count = len(self.encoded.labels)
        whole = count // self.share.batch * self.share.batch
        epoch, order = -1, list(range(count))
        for number in range(first, last):
            chosen = []
            for place in self.share.places(number):
                if place // whole != epoch:
                    epoch, order = place // whole, list(range(count))
                    random.Random(f"{self.seed}/{epoch}").shuffle(order)
                chosen.append(order[place % whole])
            content, motion, labels, middle = self.encoded
            yield Encoded(content[chosen], motion[chosen], labels[chosen], None if middle is None else middle[chosen])


def cache_latents(
    source: ClipSource,
    encoder: Encoder,
    starts: int,
    folder: Path,
    about: dict[str, str],
    world: World,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Encode every clip once, or find the file of an earlier run; all processes call this, the main one encodes.

    Args:
        source: of the clips.
        encoder: takes them apart.
        starts: of each clip, fixed.
        folder: takes the file, whose name tells what it was made of.
        about: what it was made of, beside the autoencoder and the starts.
        world: of the processes.
        progress: called with (clips encoded, in all).

    Raises:
        DisMoError: starts below 1, no clip that can be used, or a file that cannot be written.
    """
    if starts < 1:
        raise DisMoError(f"Each clip needs at least 1 start, not {starts}.")
    made_of = {**about, "autoencoder": encoder.autoencoder.id, "starts": str(starts), "clips": str(len(source))}
    plain, whole = made_of, made_of | {"with": "middle frames"}
    # A file with middle frames serves those who need none, too.
    made_of = whole if encoder.with_middle or _file(folder, whole).is_file() else plain
    path = _file(folder, made_of)
    if world.main and not path.is_file():
        log.info("Encoding %d clips, %d starts each, into %s.", len(source), starts, path)
        found: list[Encoded] = []
        for draw in range(starts):
            for index, item in source.items(draw, range(len(source))):
                found.append(encoder(item))
                progress(draw * len(source) + index + 1, starts * len(source))
        if not found:
            raise DisMoError("None of the clips can be used; see the log.")
        kept = [name for name in Encoded._fields if getattr(found[0], name) is not None]
        parts = {name: torch.cat([getattr(each, name).cpu() for each in found]) for name in kept}
        with atomic_write(path, overwrite=True) as temporary:
            save_tensors(parts, temporary, made_of)
    world.wait()
    return path


def _file(folder: Path, made_of: dict[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return folder / f"latents_{digest[:16]}.safetensors"
