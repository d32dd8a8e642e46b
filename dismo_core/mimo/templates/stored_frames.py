"""Frames of a video file by their numbers, decoded as they are asked for; only a few lie in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...video import iter_video

KEPT = 8  # frames, for those who go back a little, as clips do that begin with the last frames of the one before


class StoredFrames(Sequence[NDArray[np.uint8]]):
    """Some frames of a video in an order of their own.

    Asked for in rising order, the file is decoded once; who goes back further than `KEPT` frames begins again.

    Args:
        path: of the video.
        numbers: which of its frames these are, not falling.
        mask: whether only the first channel counts.
        folder: what keeps the file alive, where that is a folder which goes with its object.
    """

    def __init__(self, path: Path, numbers: Sequence[int], mask: bool = False, folder: object = None) -> None:
        self.path = path
        self.numbers = numbers
        self.mask = mask
        self._folder = folder
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._frames: Iterator[NDArray[np.uint8]] = iter(())
        self._next = 0  # number of the frame that the iterator gives next
        self._ended = True

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> StoredFrames: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | StoredFrames:
        if isinstance(index, slice):
            return StoredFrames(self.path, self.numbers[index], self.mask, self._folder)
        return self._frame(self.numbers[index])

    def _frame(self, number: int) -> NDArray[np.uint8]:
        if number in self._kept:
            return self._kept[number]
        if self._ended or number < self._next:
            self._frames, self._next, self._ended = self._decoded(), 0, False
        for frame in self._frames:
            self._kept[self._next] = frame
            self._next += 1
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            if self._next > number:
                return frame
        self._ended = True
        raise DisMoError(
            f"{self.path} ends after {self._next} frames, and frame {number} is asked for. The file is cut short; make it again."
        )

    def _decoded(self) -> Iterator[NDArray[np.uint8]]:
        self._kept.clear()
        for frame in iter_video(self.path):
            pixels = frame.numpy()
            yield np.ascontiguousarray(pixels[..., 0]) if self.mask else pixels


def count_frames(path: Path, declared: int | None) -> int:
    """Frames of a video; decoded where the file does not say how many it has."""
    return declared if declared else sum(1 for _ in iter_video(path))
