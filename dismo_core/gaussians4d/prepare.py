"""Pictures and frames in the published order of work: one subject in the middle of a square (docs/methods/gaussians4d.md, 1.1)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data.resize_area import resize_by_area
from ..errors import DisMoError

BORDER = 0.2  # share of the side that stays empty


def recenter(rgba: NDArray[np.uint8], size: int | None = None, border: float = BORDER) -> NDArray[np.uint8]:
    """The subject in the middle of a square, its longer side 1 - border of it.

    Args:
        rgba: uint8 [H,W,4].
        size: side of the result, px; values are rounded. None: the longer side of the input, values truncated, as LGM does.
        border: share of the side that stays empty.

    Returns:
        uint8 [size,size,4], empty around the subject.

    Raises:
        DisMoError: nothing to see, or a subject of one row or column.
    """
    top, bottom, left, right = subject_box(rgba[..., 3])
    side = max(rgba.shape[:2]) if size is None else size
    scale = int(side * (1 - border)) / max(bottom - top, right - left)
    height, width = int((bottom - top) * scale), int((right - left) * scale)
    subject = rgba[top:bottom, left:right].astype(np.float64)
    resized = resize_by_area(subject, height, width)
    out = np.zeros((side, side, 4), np.uint8)
    y, x = (side - height) // 2, (side - width) // 2
    values = np.round(resized) if size is not None else np.floor(resized + 1e-4)
    out[y : y + height, x : x + width] = np.clip(values, 0, 255).astype(np.uint8)
    return out


def subject_box(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """First and last row, first and last column where alpha is above 0; the last ones are cut off, as published.

    Raises:
        DisMoError: nothing, or a subject of one row or column.
    """
    rows, columns = (np.nonzero((alpha > 0).any(axis))[0] for axis in (1, 0))
    if not len(rows):
        raise DisMoError(
            "The mask is empty: there is no subject in the picture. Give a mask, or a picture with transparency."
        )
    box = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    if box[0] == box[1] or box[2] == box[3]:
        raise DisMoError(
            f"The subject is {box[3] - box[2] + 1} x {box[1] - box[0] + 1} px: a line, not an object. Check the mask."
        )
    return box


def prepare_frame(rgba: NDArray[np.uint8], work_size: int = 800, size: int = 256) -> tuple[Tensor, Tensor]:
    """A driving frame as the published fit reads it: resized to a square by areas, laid on white, resized again.

    Args:
        rgba: uint8 [H,W,4].
        work_size: side of the square in between, px.
        size: of the result, px.

    Returns:
        RGB [3,size,size] and mask [1,size,size], 0..1.
    """
    squared = np.round(resize_by_area(rgba.astype(np.float64), work_size, work_size)).clip(0, 255)
    planes = torch.from_numpy((squared / 255).astype(np.float32)).movedim(-1, 0)
    on_white = planes[:3] * planes[3:] + (1 - planes[3:])
    both = F.interpolate(torch.cat((on_white, planes[3:]))[None], (size, size), mode="bilinear", align_corners=False)[0]
    return both[:3], both[3:]
