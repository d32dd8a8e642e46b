"""Resizing by areas, as OpenCV's INTER_AREA does it (docs/methods/gaussians4d.md, 1.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resize_area(picture: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """[H,W,C] -> [height,width,C]: the mean of what a pixel covers where both axes shrink, else two taps an axis.

    Args:
        picture: any range.
        height: of the result.
        width: of the result.
    """
    h, w = picture.shape[:2]
    make = _means if height <= h and width <= w else _taps
    down = np.tensordot(make(h, height), picture, axes=(1, 0))
    return np.moveaxis(np.tensordot(make(w, width), down, axes=(1, 1)), 0, 1)


def _means(n: int, out: int) -> NDArray[np.float64]:
    """[out,n]: share of each input cell in each output cell."""
    edges = np.arange(out + 1) * (n / out)
    cells = np.arange(n)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    shares: NDArray[np.float64] = np.clip(overlap, 0, None) * (out / n)
    return shares


def _taps(n: int, out: int) -> NDArray[np.float64]:
    """[out,n]: two neighbours."""
    i, step = np.arange(out), n / out
    j = np.floor(i * step).astype(int)
    q = (i + 1) - (j + 1) / step
    q = np.where(q <= 0, 0, q - np.floor(q))
    weights = np.zeros((out, n))
    weights[i, np.minimum(j, n - 1)] += 1 - q
    weights[i, np.minimum(j + 1, n - 1)] += q
    return weights
