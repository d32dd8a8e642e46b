"""The frames of a video of the layered model, each drawn when it is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import overload

import torch
from torch import Tensor

from .path import Path
from .renderer import BLUR_STEPS, MAX_ZOOM, Renderer, corners_of, least_zoom
from .similarity import Similarity

log = logging.getLogger(__name__)


class RenderedFrames(Sequence[Tensor]):
    """The frames of a video, uint8 [H, W, 3], each drawn when it is asked for.

    Args:
        renderer: of the layers.
        path: of ground and thing.
        centre: of the thing, (x, y) px from the middle.
        fps: of the video.
        shutter: degrees of 360.
        zoom_in: whether the camera is to zoom in until nothing beyond the picture shows.
        whole: the thing is all of the picture, which then has no other layer and moves as ground and thing together.
    """

    def __init__(
        self,
        renderer: Renderer,
        path: Path,
        centre: tuple[float, float],
        fps: float,
        shutter: float = 0.0,
        zoom_in: bool = False,
        whole: bool = False,
    ) -> None:
        self._renderer, self._path, self._centre, self._whole = renderer, path, complex(*centre), whole
        self.fps, self._shutter = fps, shutter
        self._count = frame_count(path.frames, path.fps, fps)
        self.zoom = 1.0
        if zoom_in:
            self.zoom = least_zoom(self._moved(self._times())[0], renderer.size)
            if self.zoom >= MAX_ZOOM:
                log.warning(
                    "The camera goes so far that even a zoom of %gx shows borders; there the picture is mirrored.",
                    MAX_ZOOM,
                )
            elif self.zoom > 1:
                log.info("Zoomed in by %.2fx, so that no border of the picture is seen.", self.zoom)

    def _times(self) -> Tensor:
        return torch.arange(self._count, dtype=torch.float64) * (self._path.fps / self.fps)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """[T, H, W, 3]."""
        return (self._count, *self._renderer.size, 3)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Tensor: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, number: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(self._count))]
        if not -self._count <= number < self._count:
            raise IndexError(number)
        return self._frame(number % self._count)

    def __iter__(self) -> Iterator[Tensor]:
        return (self._frame(number) for number in range(self._count))

    @torch.no_grad()
    def _frame(self, number: int) -> Tensor:
        frame_step = self._path.fps / self.fps
        open_for = self._shutter / 360 * frame_step
        begin = max(0.0, min(number * frame_step, self._path.frames - 1 - open_for))  # it closes before the motion ends
        ends = self._moved(torch.tensor([begin, begin + open_for], dtype=torch.float64))
        steps = min(BLUR_STEPS, max(1, math.ceil(_farthest(ends, self._renderer.size))))
        shares = (
            (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
            if steps > 1
            else torch.zeros(1, dtype=torch.float64)
        )
        ground, thing = self._moved(begin + shares * open_for)
        return self._renderer.frame([(ground[k], thing[k]) for k in range(steps)])

    def _moved(self, times: Tensor) -> tuple[Similarity, Similarity]:
        """How ground and thing have moved on the screen at these times."""
        size = self._renderer.size
        ground = self._path.ground(times, size)
        if self.zoom > 1:
            ground = Similarity(ground.scale * self.zoom, ground.shift * self.zoom)
        thing = ground.after(self._path.thing(times, size, self._centre))
        return (thing if self._whole else ground), thing


def _farthest(ends: tuple[Similarity, Similarity], size: tuple[int, int]) -> float:
    """How many px a corner of the picture, or what moves on it, goes between two moments."""
    corners = corners_of(size).to(ends[0].scale)
    return max(float((move[1](corners) - move[0](corners)).abs().max()) for move in ends)


def frame_count(frames: int, fps: float, output_fps: float) -> int:
    """Frames of a video at `output_fps` that lasts as long as `frames` at `fps`."""
    return int((frames - 1) / fps * output_fps + 1e-6) + 1
