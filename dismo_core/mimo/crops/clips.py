"""Which part of each frame the network makes: clips of frames that share one crop (docs/methods/mimo.md, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from .boxes import EMPTY, Box, area, bounding_box, even, padded, squared, union
from .silhouette import clean_silhouette, silhouette

OVERLAP = 4  # frames that a clip makes again
MIN_AREA = 0.5  # of the crop, that the box of each of its frames fills


@dataclass(frozen=True)
class Clip:
    """Frames with one crop.

    Args:
        frames: their numbers, one after the other; the first ones are the last of the clip before.
        box: (x0, x1, y0, y1) in px, ends exclusive.
    """

    frames: list[int]
    box: Box


def plan_crops(
    frames: Iterable[NDArray[np.uint8]],
    overlap: int = OVERLAP,
    min_area: float = MIN_AREA,
    as_released: bool = False,
) -> list[Clip]:
    """Split a body render into clips whose crops the person fills well.

    A clip ends before a frame with which its crop would be so large that the box of an earlier one of its frames fills less
    than `min_area` of it. Each clip but the first begins with the last frames of the one before, which are cross-faded.

    Args:
        frames: uint8 [F, H, W, 3] body renders on black, or masks [F, H, W]; or an iterable of single ones.
        overlap: frames that a clip makes again; fewer where the one before is shorter.
        min_area: share of the crop, 0..1.
        as_released: the published plan: a frame without a silhouette counts as a box of no size in the corner, and the
            crop of a clip does not look at the frames that it makes again, so that figures may be cut. Otherwise every
            silhouette lies inside its crop, frames without one do not count, and where there are none at all the crop is
            the whole frame.

    Raises:
        DisMoError: no frames, frames of other sizes, or numbers out of range.
    """
    if overlap < 0 or not 0 < min_area <= 1:
        raise DisMoError(f"overlap must be 0 or more and min_area above 0 and at most 1, not {overlap} and {min_area}.")
    boxes, size = _frame_boxes(frames)
    width, height = size
    if as_released:
        parts = _split([EMPTY if box is None else box for box in boxes], min_area)
    elif all(box is None for box in boxes):
        return [Clip(list(range(len(boxes))), (0, width, 0, height))]
    else:
        parts = _split(boxes, min_area)
    clips: list[Clip] = []
    for start, end, box in parts:
        again = min(overlap, len(clips[-1].frames)) if clips else 0
        numbers = list(range(start - again, end))
        if not as_released:
            seen = [boxes[number] for number in numbers]
            box = _union_of([one for one in seen if one is not None])
        elif area(box) == 0:
            box = (0, width - 1, 0, height - 1)
        clips.append(Clip(numbers, box))
    return clips


def frame_box(frame: NDArray[np.uint8]) -> Box | None:
    """The crop of a single frame: cleaned silhouette, margin, even sides, square; None without a silhouette.

    Args:
        frame: uint8 [H, W, 3] body render on black, or [H, W] mask.
    """
    frame = np.asarray(frame)
    mask = frame if frame.ndim == 2 else silhouette(frame)
    height, width = mask.shape
    box = bounding_box(clean_silhouette(np.where(mask > 127, 255, 0).astype(np.uint8)))
    return None if box is None else squared(even(padded(box, width, height)), width, height)


def _frame_boxes(frames: Iterable[NDArray[np.uint8]]) -> tuple[list[Box | None], tuple[int, int]]:
    """The box of each frame, and (width, height)."""
    boxes: list[Box | None] = []
    size: tuple[int, int] | None = None
    for number, frame in enumerate(frames):
        here = (frame.shape[1], frame.shape[0])
        if size is not None and here != size:
            raise DisMoError(
                f"Frame {number} is {here[0]}x{here[1]} px, the first one {size[0]}x{size[1]}. Give frames of one size."
            )
        size = here
        boxes.append(frame_box(frame))
    if size is None:
        raise DisMoError("There are no frames to plan crops for. Give at least one.")
    return boxes, size


def _split(boxes: list[Box | None], min_area: float) -> list[tuple[int, int, Box]]:
    """(start, end, union) of clips without their overlap; boxes that are None do not count."""
    parts: list[tuple[int, int, Box]] = []
    start, whole = 0, None
    areas: list[int] = []
    last = max((number for number, box in enumerate(boxes) if box is not None), default=0)
    for number, box in enumerate(boxes):
        if box is None:
            continue
        wider = box if whole is None else union(whole, box)
        # the last frame always joins, as published
        if number < last and any(areas) and min(areas) < min_area * area(wider):
            assert whole is not None
            parts.append((start, number, whole))
            start, wider, areas = number, box, []
        whole = wider
        areas.append(area(box))
    parts.append((start, len(boxes), whole or EMPTY))
    return parts


def _union_of(boxes: list[Box]) -> Box:
    whole = boxes[0]
    for box in boxes[1:]:
        whole = union(whole, box)
    return whole
