"""Fitting a picture to the base's size, as the reference does (specs/dismo.md, 6.6 step 3)."""

from __future__ import annotations

import torch
from torch import Tensor


def centre_crop(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest centred part with the aspect of `size` (height, width): (first row, first column, rows, columns)."""
    aspect = size[1] / size[0]
    rows, columns = min(height, round(width / aspect)), min(width, round(height * aspect))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def fit_picture(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop to the centre and resize bilinearly, without antialias.

    Samples are taken from the uncropped picture, so the outermost ones may read a little beyond the crop.

    Args:
        image: [H,W,3]. size: (height, width).

    Returns:
        [height, width, 3], float32.
    """
    if tuple(image.shape[:2]) == size:
        return image.float()
    top, left, rows, columns = centre_crop(image.shape[0], image.shape[1], size)
    out = _interpolate(image.float(), size[0], top, rows)
    return _interpolate(out.transpose(0, 1), size[1], left, columns).transpose(0, 1).contiguous()


def _interpolate(x: Tensor, count: int, first: int, length: int) -> Tensor:
    """`count` samples along dimension 0, evenly over the part of `length` that starts at `first`."""
    at = first + (torch.arange(count, device=x.device) + 0.5) * (length / count) - 0.5
    at = at.clamp(0, len(x) - 1)
    low = at.long()
    high = (low + 1).clamp(max=len(x) - 1)
    return torch.lerp(x[low], x[high], (at - low)[:, None, None])
