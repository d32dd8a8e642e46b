"""Clips into tensors: one frame at a time (`iter_video`), or all of them at the size asked for (`read_video`)."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from ..errors import DisMoError
from .alpha import background_rgb
from .audio import read_audio
from .clip import Video
from .decode import timed_frames
from .frame_timing import Display
from .probe import probe
from .sample import at_times, from_time
from .source import Source, label, source_name

Backend = Literal["auto", "pyav", "torchcodec"]

# Where to begin, and how many frames to read: more than any clip has, and FFmpeg's and Python's limits are far.
MAX_SECONDS = 1e9
MAX_COUNT = 2**31

_FIRST_ALLOCATION = 1 << 30  # bytes taken on a file's word for its length; then the buffer grows with what comes


def iter_video(
    source: Source,
    *,
    fps: float | None = None,
    start: float = 0.0,
    frames: int | None = None,
    background: str = "black",
    backend: Backend = "auto",
) -> Iterator[Tensor]:
    """Frames of a clip one by one, never more than a few of them in memory.

    Frame k is the one shown at start + k / fps seconds after the first frame that can be shown: the last whose time is
    not later (variable rates come out right). Any start gives the frames that reading from the beginning gives: files are
    decoded from a later point only where that is found to be safe. Of several tracks the default one is read. Frames come
    as they are shown: upright, stretched to square pixels, colors converted by their tags, alpha over `background`.
    Damaged parts are skipped with a logged warning.

    Args:
        source: video, animated GIF or WebP as a path, bytes or a seekable binary file object (read from its beginning).
        fps: samples per second; None gives every frame of the file.
        start: seconds after the first frame that can be shown.
        frames: at most this many; None goes to the end. A clip that ends early gives fewer.
        background: color that shows through transparent pixels, a name or "#rrggbb".
        backend: "auto" is PyAV; "torchcodec" gives the same pixels, but scans the whole file first and loads on fewer
            machines.

    Yields:
        uint8 [H, W, 3], RGB; the caller may change it.

    Raises:
        DisMoError: bad arguments (at the call); not a video, no frames, `start` after the end (at the first frame).
    """
    _check(fps, start, frames, backend)
    return _frames(source, fps, start, frames, Display(background_rgb(background)), backend)


def read_video(
    source: Source,
    *,
    fps: float | None = None,
    start: float = 0.0,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    audio: bool = False,
    background: str = "black",
    backend: Backend = "auto",
) -> Video:
    """A clip in memory. Needs memory for the frames it returns, not for the video.

    Args:
        source: as `iter_video`.
        fps: as `iter_video`.
        start: as `iter_video`.
        frames: as `iter_video`.
        background: as `iter_video`.
        backend: as `iter_video`.
        size: (height, width); each frame is resized as it is decoded (bilinear, antialiased, aspect ratio ignored).
        audio: also read the sound over the same span (padded with silence, None where the file has none).

    Returns:
        Video with frames uint8 [T, H, W, 3] and 1 <= T <= `frames`; fps is the one asked for, else the file's average.

    Raises:
        DisMoError: as `iter_video`.
    """
    _check(fps, start, frames, backend)
    display = Display(background_rgb(background), square=size is None)  # the size asked for decides about the shape
    if size is not None and not (len(size) == 2 and all(_is_whole(side) for side in size)):
        raise DisMoError(f"size must be (height, width) in whole pixels, at least 1, not {size!r}.")
    info = probe(source)
    rate = float(fps or info.fps)
    expected = frames
    if info.duration is not None:
        left = max(1, math.ceil((info.duration - start) * rate) + 1)
        expected = left if frames is None else min(frames, left)
    stack = FrameStack(expected or 64)
    for frame in _frames(source, fps, start, frames, display, backend):
        stack.append(frame if size is None else resize(frame, size, source))
    pixels = stack.done()
    sound = read_audio(source, start, len(pixels) / rate) if audio else None
    return Video(pixels, rate, sound, source_name(source))


def resize(frame: Tensor, size: tuple[int, int], source: Source = "") -> Tensor:
    """Bilinear, antialiased: uint8 [H, W, 3] -> uint8 [size[0], size[1], 3].

    In whole numbers, ten times as fast as in float32 and at most one level from it.
    """
    if tuple(frame.shape[:2]) == tuple(size):
        return frame
    planes = frame.permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0).contiguous()


class FrameStack:
    """Frames of one size, written in place: `torch.stack` of a list would need the memory twice."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._count = 0
        self._frames: Tensor | None = None

    def append(self, frame: Tensor) -> None:
        if self._frames is None:
            room = max(1, min(self._expected, _FIRST_ALLOCATION // max(1, frame.numel())))
            self._frames = torch.empty((room, *frame.shape), dtype=torch.uint8)
        elif self._count == len(self._frames):
            more = torch.empty((max(1, self._count // 2), *self._frames.shape[1:]), dtype=torch.uint8)
            self._frames = torch.cat((self._frames, more))
        if frame.shape != self._frames.shape[1:]:  # a stream that changes size keeps the size it began with
            frame = resize(frame, (self._frames.shape[1], self._frames.shape[2]))
        self._frames[self._count] = frame
        self._count += 1

    def done(self) -> Tensor:
        assert self._frames is not None
        frames = self._frames[: self._count]
        # an estimate a few frames too long is not worth a copy; one far too long is
        return frames if self._count > 0.8 * len(self._frames) else frames.clone()


def _frames(
    source: Source, fps: float | None, start: float, count: int | None, display: Display, backend: Backend
) -> Iterator[Tensor]:
    if backend == "torchcodec":
        from .frames_torchcodec import torchcodec_frames

        pixels = torchcodec_frames(source, fps, start, display)
    else:
        pixels = _pixels(source, fps, start, display)
    return _not_empty(pixels, count, source, start)


def _pixels(source: Source, fps: float | None, start: float, display: Display) -> Iterator[Tensor]:
    shown = timed_frames(source, start, display)
    last = None
    for frame in from_time(shown, start) if fps is None else at_times(shown, start, fps):
        if last is None or frame is not last[0]:
            last = frame, frame.rgb()
        yield last[1].clone() if fps is not None else last[1]


def _not_empty(pixels: Iterator[Tensor], count: int | None, source: Source, start: float) -> Iterator[Tensor]:
    empty = True
    for frame in islice(pixels, count):
        empty = False
        yield frame
    if empty:
        duration = probe(source).duration
        length = "an unknown time" if duration is None else f"{duration:.3f} s"
        raise DisMoError(f"start is {start:g} s, but {label(source)} lasts {length}. Choose a start before its end.")


def check_sampling(fps: float, start: float, frames: int | None) -> None:
    """Raise unless these are a rate, a time and a number of frames that `iter_video` can read."""
    if not (_is_number(fps) and 0 < fps <= 1000):
        raise DisMoError(f"fps must be a number above 0 and at most 1000, not {fps!r}.")
    if not (_is_number(start) and 0 <= start <= MAX_SECONDS):
        raise DisMoError(f"start must be a number of seconds, 0 to {MAX_SECONDS:g}, not {start!r}.")
    if frames is not None and not (_is_whole(frames) and frames <= MAX_COUNT):
        raise DisMoError(f"frames must be a whole number, 1 to {MAX_COUNT}, or None for all, not {frames!r}.")


def _check(fps: float | None, start: float, frames: int | None, backend: str) -> None:
    check_sampling(1.0 if fps is None else fps, start, frames)
    if backend not in ("auto", "pyav", "torchcodec"):
        raise DisMoError(f"backend must be 'auto', 'pyav' or 'torchcodec', not {backend!r}.")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1
