"""Boxes around a person: (x0, x1, y0, y1) in pixels, ends exclusive (docs/methods/mimo.md, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from .silhouette import silhouette

Box = tuple[int, int, int, int]
EMPTY: Box = (0, 0, 0, 0)
MULTIPLE = 16  # px; sides of squares


def bounding_box(mask: NDArray[np.generic]) -> Box | None:
    """The box of the pixels of [H, W] that are not 0; None where there are none."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return None
    return int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1


def padded(box: Box, width: int, height: int) -> Box:
    """A box with a tenth of its height above and below and a twentieth of its width left and right, within the frame.

    Args:
        box: of a silhouette.
        width: of the frame, px.
        height: of the frame, px.
    """
    x0, x1, y0, y1 = box
    sides, ends = int(0.05 * (x1 - x0)), int(0.1 * (y1 - y0))
    return max(0, x0 - sides), min(width, x1 + sides), max(0, y0 - ends), min(height, y1 + ends)


def even(box: Box) -> Box:
    """A box with an even width and height: one pixel more at the right and at the bottom, even beyond the frame."""
    x0, x1, y0, y1 = box
    return x0, x1 + (x1 - x0) % 2, y0, y1 + (y1 - y0) % 2


def squared(box: Box, width: int, height: int) -> Box:
    """A box grown to a square whose side is a multiple of 16, as far as the frame allows.

    Args:
        box: with even sides.
        width: of the frame, px.
        height: of the frame, px.
    """
    x0, x1, y0, y1 = box
    side = square_side(x1 - x0, y1 - y0)
    left, top = (side - (x1 - x0)) // 2, (side - (y1 - y0)) // 2
    x0, y0 = x0 - left, y0 - top
    return max(0, x0), min(width, x0 + side), max(0, y0), min(height, y0 + side)


def square_side(width: int, height: int) -> int:
    """The larger side, rounded up to a multiple of 16."""
    return -(-max(width, height) // MULTIPLE) * MULTIPLE


def union(first: Box, second: Box) -> Box:
    """The smallest box that holds both."""
    return (
        min(first[0], second[0]),
        max(first[1], second[1]),
        min(first[2], second[2]),
        max(first[3], second[3]),
    )


def area(box: Box) -> int:
    """Pixels in a box."""
    return (box[1] - box[0]) * (box[3] - box[2])


def union_box(frames: Iterable[NDArray[np.uint8]]) -> Box:
    """The one box that holds the person in all frames: what `animate` crops every frame to.

    The silhouettes are not cleaned; each frame's box is padded (`padded`), and the union has even sides where the frame allows.
    Frames without a silhouette are passed over (the published code takes them for a box in the corner).

    Args:
        frames: uint8 [F, H, W, 3] body renders on black, or an iterable of [H, W, 3].

    Raises:
        DisMoError: no frame shows anything.
    """
    whole, count, width, height = None, 0, 0, 0
    for frame in frames:
        height, width = frame.shape[:2]
        count += 1
        if (box := bounding_box(silhouette(frame))) is not None:
            box = padded(box, width, height)
            whole = box if whole is None else union(whole, box)
    if whole is None:
        raise DisMoError(
            f"None of the {count} frames of the body render shows anything brighter than black. "
            "Check that sdc.mp4 is a body on a black background."
        )
    x0, x1, y0, y1 = even(whole)
    return x0, min(width, x1), y0, min(height, y1)
