"""Which frames of a clip are taken, and at which size (docs/methods/motiondirector.md, 4)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import DisMoError

FLOOR = 192  # px, below which the published buckets do not go


def bucket_size(width: int, height: int, target_width: int, target_height: int) -> tuple[int, int]:
    """(width, height) that the published code resizes a clip to; the shape is kept only roughly.

    Args:
        width: of the clip, px.
        height: likewise.
        target_width: asked for, px.
        target_height: likewise.
    """
    if width == height:
        return target_width, target_height
    if width > height:
        return target_width, _shorter(target_height, target_height * height / width)
    return _shorter(target_width, target_width * width / height), target_height


def _shorter(target: int, wanted: float) -> int:
    candidates = (max(FLOOR, target - 64), max(FLOOR, target - 128))
    return min(candidates, key=lambda side: abs(side - wanted))  # the first on a tie


def folder_indices(count: int, native_fps: float, fps: float, frames: int, draw: Callable[[int], int]) -> list[int]:
    """Frames of a clip of a folder: every n-th, from a start that is drawn.

    n = native_fps / fps, rounded half to even, at least 1 and at most the count.

    Args:
        count: frames of the clip.
        native_fps: of the clip.
        fps: asked for.
        frames: wanted; a short clip gives fewer.
        draw: highest -> a start in 0..highest, in units of n.
    """
    _require(count, 1, "frames of a clip")
    _require(frames, 1, "frames that are wanted")
    stride = min(count, max(1, round(native_fps / fps)))
    there = count // stride
    taken = min(frames, there)
    start = draw(there - taken)
    return [stride * i for i in range(start, start + taken)]


def chunk_indices(count: int, step: int, frames: int) -> list[list[int]]:
    """A clip in consecutive chunks; the last may be short.

    Args:
        count: frames of the clip.
        step: every step-th frame is taken.
        frames: of a chunk.
    """
    _require(step, 1, "step")
    _require(frames, 1, "frames of a chunk")
    every = list(range(0, count, step))
    return [every[i : i + frames] for i in range(0, len(every), frames)]


def clip_indices(count: int, start: int, step: int, frames: int) -> list[int]:
    """Frames of a clip from a given one on; none where it begins at the end.

    Args:
        count: frames of the clip.
        start: first frame; taken into 0..count.
        step: every step-th frame is taken.
        frames: at most.
    """
    _require(step, 1, "step")
    return list(range(min(max(start, 0), count), count, step))[:frames]


def resize_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames at a size, bilinear and antialiased, rounded to bytes; the aspect ratio is ignored.

    Args:
        frames: uint8 [T,H,W,3].
        size: (width, height), px.

    Returns:
        float32 [T,3,height,width], -1..1.
    """
    width, height = size
    x = frames.movedim(-1, 1).float()
    if tuple(x.shape[2:]) != (height, width):
        x = interpolate(x, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    return x.round().clamp(0, 255) / 127.5 - 1


def _require(value: int, least: int, what: str) -> None:
    if value < least:
        raise DisMoError(f"The {what} must be at least {least}, not {value}.")
