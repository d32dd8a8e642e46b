"""Clips with captions out of shards, as the adapter of the video model is trained on them (docs/methods/dismo.md, 7.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..video.picture import centre_crop
from .epochs import MIN_FPS, check_skipped, epoch_order
from .frames import Unusable, open_indexed
from .index import Entry, ShardIndex
from .stream import ShardStream

HELD = 32  # clips of a stream that are held back for mixing: 0.8 GB at 25 frames of 480x720


class CaptionedClip(NamedTuple):
    """One clip.

    Args:
        frames: uint8 [T,H,W,3].
        caption: empty where there is none.
        entry: its number in the index.
        seed: for whatever else is drawn for it.
        skipped: (name, reason) of the entries that it stands in for.
    """

    frames: Tensor
    caption: str
    entry: int
    seed: int
    skipped: tuple[tuple[str, str], ...] = ()


class CaptionedClips(Dataset[CaptionedClip]):
    """Clips of a run, numbered without end; clip i and its seed are functions of (seed, i) and the shards alone.

    Args:
        index: the videos.
        size: (height, width), px.
        frames: of a clip.
        fps: at which they are sampled.
        seed: of the run.
        fixed: take the same clip of a video in every epoch, so that what is computed from it can be kept.
    """

    def __init__(
        self, index: ShardIndex, size: tuple[int, int], frames: int, fps: float, seed: int, fixed: bool = False
    ) -> None:
        self.index = index
        self.size, self.frames, self.fps, self.seed, self.fixed = size, frames, fps, seed, fixed

    def __getitem__(self, number: int) -> CaptionedClip:
        """Clip `number`; the next usable video stands in for one that cannot be used."""
        epoch, position = divmod(number, len(self.index))
        order = epoch_order(self.seed, epoch, len(self.index))
        seed = int(np.random.default_rng([self.seed, epoch, number]).integers(2**63))
        skipped: list[tuple[str, str]] = []
        while True:
            entry = int(order[(position + len(skipped)) % len(order)])
            try:
                return self.clip(entry, 0 if self.fixed else seed)._replace(seed=seed, skipped=tuple(skipped))
            except Unusable as fault:
                skipped.append((self.index.name(entry), fault.reason))
            check_skipped(skipped, len(order))

    def clip(self, entry: int, seed: int) -> CaptionedClip:
        """The clip of one video that `seed` draws.

        Raises:
            Unusable: the video cannot be decoded, is too short or too slow.
        """
        video = self.index.read(entry)
        drawn = draw_frames(video, self.frames, self.fps, np.random.default_rng([self.seed, entry, seed]))
        return CaptionedClip(fit_clip(drawn, self.size), video.caption, entry, seed)


class CaptionedStream(ShardStream[CaptionedClip]):
    """Clips from shards that can only be read from front to back; see `ShardStream` for what is repeatable.

    Args:
        shards: see `ShardStream`; fewer clips are held back than there, for they are large.
        options: see `ShardStream`; fewer clips are held back than there, for they are large.
        size: as of `CaptionedClips`.
        frames: as of `CaptionedClips`.
        fps: as of `CaptionedClips`.
    """

    def __init__(
        self, shards: Sequence[str], size: tuple[int, int], frames: int, fps: float, seed: int, **options: int
    ) -> None:
        super().__init__(shards, seed, **{"buffer": HELD, **options})
        self.size, self.frames, self.fps = size, frames, fps

    def draw(
        self, entry: Entry, number: int, rng: np.random.Generator, skipped: Sequence[tuple[str, str]]
    ) -> CaptionedClip:
        """A clip of one video; its number in the run stands for its number in an index."""
        seed = int(rng.integers(2**63))
        frames = fit_clip(draw_frames(entry, self.frames, self.fps, rng), self.size)
        return CaptionedClip(frames, entry.caption, number, seed, tuple(skipped))


def draw_frames(entry: Entry, frames: int, fps: float, rng: np.random.Generator) -> Tensor:
    """A clip from a random place of a video, uint8 [frames,H,W,3]: the frames shown at start + k / fps.

    Raises:
        Unusable: the video cannot be decoded, is too short or too slow.
    """
    with open_indexed(entry.video, entry.key) as video:
        if video.fps < MIN_FPS:
            raise Unusable("below 3 fps", f"{video.fps:.3g} frames per second; at least {MIN_FPS:g} are needed")
        steps = [int(k * video.fps / fps + 1e-3) for k in range(frames)]
        room = len(video) - steps[-1]
        if room < 1:
            raise Unusable(
                "too short", f"{len(video)} frames at {video.fps:.4g} fps; {frames} at {fps:g} fps span {steps[-1] + 1}"
            )
        start = int(rng.integers(room))
        return video.frames([start + step for step in steps])


def fit_clip(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop to the centre and resize, bilinear with antialias; uint8 [T,H,W,3] -> uint8 [T,*size,3]."""
    top, left, rows, columns = centre_crop(frames.shape[1], frames.shape[2], size)
    x = frames[:, top : top + rows, left : left + columns].movedim(-1, 1).float()
    x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    return x.movedim(1, -1).round().clamp(0, 255).to(torch.uint8)


def collate(clips: Sequence[CaptionedClip]) -> list[CaptionedClip]:
    """A batch is a list of clips."""
    return list(clips)
