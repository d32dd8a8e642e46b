"""Clips as the frozen networks see them: worked out when they are needed, or once and kept in files."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...data.frames import Unusable
from ...diffusion.frame_vae import frame_posteriors
from ...errors import DisMoError
from ...files import atomic_write, save_tensors
from ...training.distributed import World
from ..images import grey_levels, prepare_images
from ..models.towers import ImageTower
from ..tower_texts import TowerTexts
from .captioned_videos import CaptionedVideo, drawn_clip
from .demo_training import DemoTraining

log = logging.getLogger(__name__)

FRAME_OF_IMAGE = 8  # of a clip, whose embedding the motion's text is held to; a literal of the published code


class KeptClip(NamedTuple):
    """Of one clip, on the CPU.

    Args:
        caption: of its video.
        mean: of the latents' posterior, scaled, [C, F, h, w].
        deviation: likewise.
        text: states of the caption in the content encoder, [L, D].
        video: [F, 3, H, W] in -1..1; None where no flow is measured.
        image: embedding of a frame, [D]; None without image tower.
    """

    caption: str
    mean: Tensor
    deviation: Tensor
    text: Tensor
    video: Tensor | None
    image: Tensor | None


class Clips(Protocol):
    """Clips by the number of their video."""

    def __len__(self) -> int: ...

    def draw(self, number: int, generator: torch.Generator) -> KeptClip:
        """One of that video, at a place that the generator gives.

        Raises:
            Unusable: the video cannot be read, or has no caption.
        """


class FreshClips:
    """Clips worked out again each time, so that all of a video is seen in the end.

    Args:
        videos: to draw from.
        autoencoder: diffusers' AutoencoderKL, frozen.
        content: reads captions.
        training: size and frames.
        image_tower: None = no embeddings.
        with_video: whether the clip itself is wanted.
        device: of the towers.
    """

    def __init__(
        self,
        videos: Sequence[CaptionedVideo],
        autoencoder: Any,
        content: TowerTexts,
        training: DemoTraining,
        image_tower: ImageTower | None,
        with_video: bool,
        device: torch.device,
    ) -> None:
        self.videos, self.autoencoder, self.content, self.training = videos, autoencoder, content, training
        self.image_tower, self.with_video, self.device = image_tower, with_video, device

    def __len__(self) -> int:
        return len(self.videos)

    @torch.no_grad()
    def draw(self, number: int, generator: torch.Generator) -> KeptClip:
        """See `Clips`."""
        video, training = self.videos[number], self.training
        try:
            clip = drawn_clip(video, generator, training.size, training.frames)
        except DisMoError as error:
            raise Unusable("unreadable", f"{video.name}: {error}") from error
        mean, deviation = (part[0].float().cpu() for part in frame_posteriors(self.autoencoder, clip[None]))
        image = None
        if self.image_tower is not None:
            frame = grey_levels(clip[min(FRAME_OF_IMAGE, training.frames - 1)][None])
            pixels = prepare_images(frame, self.image_tower.image_size).to(self.device)
            image = self.image_tower(pixels)[0].float().cpu()
        text = self.content([video.caption], self.device)[0].cpu()
        return KeptClip(video.caption, mean, deviation, text, clip if self.with_video else None, image)


class ClipCache:
    """One clip of each video in a file of its own; runs and processes may share the folder.

    Args:
        folder: takes the files.
        fresh: works out what is not there yet.
        about: what else the content follows from: names of the weights.
        world: each process does its share.
        progress: called with (videos done, in all); may raise to cancel. What was kept by then is found again.

    Raises:
        DisMoError: no video can be used, or a file that cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        fresh: FreshClips,
        about: str,
        world: World,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        training = fresh.training
        made_of = (
            f"{about} {training.size} {training.frames} {training.seed} {fresh.with_video} {fresh.image_tower is None}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number in range(len(fresh)):
            try:
                video = fresh.videos[number]
            except Unusable as fault:
                log.warning("Video %d is left out: %s.", number, fault)
                continue
            path = folder / f"{_digest(video, made_of)}.safetensors"
            paths.append(path)
            if len(paths) % world.size == world.rank and not path.is_file():
                try:
                    _write(path, fresh.draw(number, torch.Generator().manual_seed(training.seed * 1_000_003 + number)))
                except Unusable as fault:
                    log.warning("%s", fault)
            if progress is not None and world.main:
                progress(number + 1, len(fresh))
        world.wait()
        self.paths = [path for path in paths if path.is_file()]
        if not self.paths:
            raise DisMoError(f"None of the {len(fresh)} videos can be used; the log says why. Correct them.")

    def __len__(self) -> int:
        return len(self.paths)

    def draw(self, number: int, generator: torch.Generator) -> KeptClip:
        """See `Clips`; the same clip each time."""
        path = self.paths[number]
        try:
            with safe_open(path, framework="pt") as file:
                caption = str(file.metadata()["caption"])
                held = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError) as error:
            raise DisMoError(f"{path} does not read ({error}). Remove it; it is made again.") from error
        video = held.get("video")
        return KeptClip(
            caption,
            held["mean"],
            held["deviation"],
            held["text"],
            None if video is None else video.float(),
            held.get("image"),
        )


def _digest(video: CaptionedVideo, made_of: str) -> str:
    """Of what a kept clip is made of."""
    if isinstance(video.source, bytes):
        mark = hashlib.sha256(video.source).hexdigest()
    else:
        status = video.source.stat()
        mark = f"{video.source.resolve()} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(f"{made_of} {mark} {video.caption}".encode()).hexdigest()[:32]


def _write(path: Path, clip: KeptClip) -> None:
    tensors = {
        "mean": clip.mean,
        "deviation": clip.deviation,
        "text": clip.text,
        "video": clip.video,
        "image": clip.image,
    }
    if clip.video is not None:
        tensors["video"] = clip.video.half()  # a frame's values to 1 part in 2000: flow needs no more
    with atomic_write(path, overwrite=True) as temporary:
        there = {name: value.contiguous() for name, value in tensors.items() if value is not None}
        save_tensors(there, temporary, {"caption": clip.caption})
