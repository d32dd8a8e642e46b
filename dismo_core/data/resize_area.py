"""Resizing by areas, as OpenCV's INTER_AREA does it, which published masks and frames were made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TOUCH = 1e-3  # px; a smaller share of a pixel is rounding


def resize_by_area(picture: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """A picture in another size.

    With s = size / count of an axis: where both are at least 1, each value is the mean over the pixels that it covers,
    [j s, (j + 1) s), those at the ends in part. Else, in both directions, p = floor(j s), f = (j + 1) - (p + 1) / s, taken as 0
    where not above 0 and otherwise without its whole part; value = (1 - f) a[p] + f a[p + 1], and a[p] at the last pixel.

    Args:
        picture: [h, w] or [h, w, C], of any range.
        height: px.
        width: px.

    Returns:
        float64 [height, width] or [height, width, C].
    """
    rows, columns = picture.shape[:2]
    weights = _covered if height <= rows and width <= columns else _between
    down = np.tensordot(weights(rows, height), picture.astype(np.float64), axes=(1, 0))
    return np.moveaxis(np.tensordot(weights(columns, width), down, axes=(1, 1)), 0, 1)


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
    index, scale = np.arange(count), size / count
    pixel = (index * scale).astype(int)
    share = (index + 1) - (pixel + 1) / scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    weights = np.zeros((count, size))
    weights[index, pixel] += 1 - share
    weights[index, np.minimum(pixel + 1, size - 1)] += share
    return weights
