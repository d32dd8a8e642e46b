"""Training samples out of shards: sample number i is a function of (seed, i) and the shards alone (docs/methods/dismo.md, 6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...data.augment import Augmentation, clamp_aspect, render
from ...data.epochs import check_skipped, epoch_order
from ...data.frames import Unusable, open_indexed
from ...data.index import Entry, ShardIndex
from ...data.stream import ShardStream
from ..motion import SOURCES, WINDOW
from .clip_draws import draw_clip

# The published augmentations (docs/methods/dismo.md, 6.2): of what the extractor sees, and of the pairs for the generator.
MOTION = Augmentation((0.25, 1.0), (0.666, 1.5), degrees=30, brightness=0.5, contrast=0.5, saturation=0.5)
CONTENT = Augmentation((0.7, 1.0), (1.0, 1.0), degrees=0, brightness=0.2, contrast=0, saturation=0.2)


class VideoSample(NamedTuple):
    """One clip and its four pairs; in a batch (`collate`) each tensor has a first dimension B, and `skipped` is joined.

    Frames are uint8, 0..255; models take x / 127.5 - 1.

    Args:
        motion: [8, S, S, 3], what the extractor sees.
        source: [4, S, S, 3]; source i is frame i of the clip.
        target: [4, S, S, 3]; each seen as its source is.
        gap: float32 [4], frame steps from source to target, above 0 and at most 4.
        number: int64 [], of the sample in the run.
        seed: int64 [], for whatever else is drawn for this sample (flow times, noise).
        skipped: (name, reason) of the entries for which this sample stands in.
    """

    motion: Tensor
    source: Tensor
    target: Tensor
    gap: Tensor
    number: Tensor
    seed: Tensor
    skipped: tuple[tuple[str, str], ...] = ()


class VideoClips(Dataset[VideoSample]):
    """All samples of a run, numbered 0, 1, 2, ... without end; every epoch is one pass over the entries in a new order.

    Sample i and everything drawn for it depend on (seed, epoch, i) and the shards, never on ranks, workers or what was
    read before, so a rank simply takes its share of the numbers and a resumed run begins at its number:

        data = VideoClips(ShardIndex(find_shards(["shards/"])), size=256, seed=42)
        numbers = range(first + rank, last, world)
        DataLoader(data, batch_size, sampler=numbers, collate_fn=collate, drop_last=True, num_workers=8)

    (`clip_batches` is this with the count of skipped entries logged.) In place of an entry that cannot be used, the next
    one of the epoch stands in; the sample names what was skipped.

    Args:
        index: the entries.
        size: side S of the frames in px.
        seed: of the run, 0 or more.
        inside: see `draw_sample`.
    """

    def __init__(self, index: ShardIndex, size: int = 256, seed: int = 42, inside: bool = False) -> None:
        self.index = index
        self.size = size
        self.seed = seed
        self.inside = inside

    def __len__(self) -> int:
        """Samples in one epoch."""
        return len(self.index)

    def __getitem__(self, number: int) -> VideoSample:
        """Sample `number`, of which any integer from 0 on is one.

        Raises:
            DisMoError: a hundred entries in a row (or all there are) cannot be used.
        """
        epoch, position = divmod(number, len(self))
        order = epoch_order(self.seed, epoch, len(self))
        skipped: list[tuple[str, str]] = []
        while True:
            entry = int(order[(position + len(skipped)) % len(self)])
            rng = np.random.default_rng([self.seed, epoch, number])
            try:
                return draw_sample(self.index.read(entry), self.size, number, rng, skipped, self.inside)
            except Unusable as fault:
                skipped.append((self.index.name(entry), fault.reason))
            check_skipped(skipped, len(self))


class VideoStream(ShardStream[VideoSample]):
    """The samples of extractor and generator. size, inside: see `draw_sample`; the rest as `ShardStream`."""

    def __init__(
        self, shards: Sequence[str], size: int = 256, seed: int = 42, inside: bool = False, **options: int
    ) -> None:
        super().__init__(shards, seed, **options)
        self.size = size
        self.inside = inside

    def draw(
        self, entry: Entry, number: int, rng: np.random.Generator, skipped: Sequence[tuple[str, str]]
    ) -> VideoSample:
        """See `draw_sample`."""
        return draw_sample(entry, self.size, number, rng, skipped, self.inside)


def draw_sample(
    entry: Entry,
    size: int,
    number: int,
    rng: np.random.Generator,
    skipped: Sequence[tuple[str, str]],
    inside: bool = False,
) -> VideoSample:
    """Decode and augment one clip of a video.

    Draws, in this order: the sample's seed, the offset, the gaps, the motion view, four content views.

    Args:
        entry: the video.
        size: side of the frames in px.
        number: see `VideoSample`.
        skipped: see `VideoSample`.
        rng: for all draws.
        inside: turned crops are shrunk until they hold nothing beyond the frame's border, see `Augmentation`.

    Raises:
        Unusable: the video cannot be decoded, is too short or too slow.
    """
    seed = int(rng.integers(2**63))
    with open_indexed(entry.video, entry.key) as video:
        draw = draw_clip(len(video), video.fps, rng)
        frames = clamp_aspect(video.frames(draw.motion + draw.targets))
    height, width = frames.shape[1:3]
    motion = render(frames[:WINDOW], replace(MOTION, inside=inside).draw(height, width, rng), size)
    pairs = torch.stack(
        [render(frames[[i, WINDOW + i]], CONTENT.draw(height, width, rng), size) for i in range(SOURCES)]
    )
    return VideoSample(
        motion,
        pairs[:, 0],
        pairs[:, 1],
        torch.tensor(draw.gaps),
        torch.tensor(number),
        torch.tensor(seed),
        tuple(skipped),
    )


def collate(samples: Sequence[VideoSample]) -> VideoSample:
    """A batch of samples."""
    stacked = {name: torch.stack([getattr(sample, name) for sample in samples]) for name in VideoSample._fields[:-1]}
    return samples[0]._replace(**stacked, skipped=tuple(skip for sample in samples for skip in sample.skipped))
