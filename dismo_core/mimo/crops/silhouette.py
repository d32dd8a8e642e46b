"""The silhouette of a body render, and its cleaning by closing and opening (docs/methods/mimo.md, 5.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError

DARKEST = 10  # gray level up to which a pixel belongs to the black background
_GRAY = np.array([9798, 19235, 3735], np.int64)  # red, green, blue in 1/32768; they sum up to it


def silhouette(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where a body render on black shows something: 255 where gray > 10, else 0.

    gray = (9798 R + 19235 G + 3735 B + 16384) >> 15

    Args:
        frame: uint8 [..., H, W, 3].

    Returns:
        uint8 [..., H, W], 0 or 255.

    Raises:
        DisMoError: not such frames.
    """
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim < 3 or frame.shape[-1] != 3:
        raise DisMoError(f"A body render must be uint8 [H, W, 3] in RGB, not {frame.dtype} {list(frame.shape)}.")
    gray = (frame @ _GRAY + 16384) >> 15
    return np.where(gray > DARKEST, 255, 0).astype(np.uint8)


def clean_silhouette(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Close gaps with a square of 5 x 5, then remove specks by an opening with one of 2 x 2.

    Both passes of the opening reach up and left, as in the published code, so it moves the silhouette by one pixel to the
    right and down. What lies outside the frame counts for nothing.

    Args:
        mask: uint8 [H, W].

    Returns:
        uint8 [H, W].
    """
    mask = np.asarray(mask)
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise DisMoError(f"A silhouette must be uint8 [H, W], not {mask.dtype} {list(mask.shape)}.")
    closed = erode(dilate(mask, 2, 2), 2, 2)
    return dilate(erode(closed, 1, 0), 1, 0)


def dilate(mask: NDArray[np.uint8], before: int, after: int) -> NDArray[np.uint8]:
    """Maximum over rows y - before .. y + after and as many columns: uint8 [H, W] -> [H, W]."""
    if not before and not after:
        return mask
    for axis in (0, 1):
        mask = _extreme(mask, axis, before, after)
    return mask


def erode(mask: NDArray[np.uint8], before: int, after: int) -> NDArray[np.uint8]:
    """Minimum over the same rows and columns as `dilate`."""
    return 255 - dilate(255 - mask, before, after)


def _extreme(mask: NDArray[np.uint8], axis: int, before: int, after: int) -> NDArray[np.uint8]:
    sides = [(0, 0), (0, 0)]
    sides[axis] = (before, after)
    padded = np.pad(mask, sides)
    windows = np.lib.stride_tricks.sliding_window_view(padded, before + after + 1, axis)
    largest: NDArray[np.uint8] = windows.max(-1)
    return largest
