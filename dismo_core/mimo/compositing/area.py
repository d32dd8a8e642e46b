"""Resizing by area, as OpenCV's INTER_AREA does, which masks were made for (docs/methods/mimo.md, 5.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError

_TOUCH = 1e-3  # px; a smaller share of a pixel is rounding


def resize_area(mask: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """A mask in another size.

    With sx = w / width and sy = h / height: where both are at least 1, each value is the mean over the pixels that it covers,
    [j s, (j + 1) s), those at the ends in part. Else, in both directions, p = floor(j s), f = (j + 1) - (p + 1) / s, taken as 0
    where not above 0 and otherwise without its whole part; value = (1 - f) a[p] + f a[p + 1], and a[p] at the last pixel.

    Args:
        mask: float [h, w].
        width: px.
        height: px.

    Returns:
        float32 [height, width].
    """
    mask = np.asarray(mask, np.float32)
    if mask.ndim != 2 or 0 in mask.shape or width < 1 or height < 1:
        raise DisMoError(f"A mask [h, w] is resized to at least 1x1 px, not {list(mask.shape)} to {width}x{height} px.")
    weights = _covered if mask.shape[1] >= width and mask.shape[0] >= height else _between
    columns, rows = weights(mask.shape[1], width), weights(mask.shape[0], height)
    resized: NDArray[np.float32] = (rows @ mask.astype(np.float64) @ columns.T).astype(np.float32)
    return resized


def _covered(size: int, count: int) -> NDArray[np.float64]:
    """[count, size]: share of each pixel in each mean."""
    scale = size / count
    begin = np.arange(count)[:, None] * scale
    end = np.minimum(begin + scale, size)
    pixels = np.arange(size)[None]
    share = np.minimum(end, pixels + 1) - np.maximum(begin, pixels)
    share[share < _TOUCH] = 0
    weights: NDArray[np.float64] = share / share.sum(1, keepdims=True)
    return weights


def _between(size: int, count: int) -> NDArray[np.float64]:
    """[count, size]: weight of each pixel in each value."""
    scale = size / count
    weights = np.zeros((count, size))
    for j in range(count):
        pixel = int(j * scale)
        share = (j + 1) - (pixel + 1) / scale
        share = 0.0 if share <= 0 else share - int(share)
        if pixel >= size - 1:
            pixel, share = size - 1, 0.0
        weights[j, pixel] += 1 - share
        if share:
            weights[j, pixel + 1] += share
    return weights
