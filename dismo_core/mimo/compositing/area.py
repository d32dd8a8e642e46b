"""Masks in other sizes, as the release makes them (docs/methods/mimo.md, 5.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data.resize_area import resize_by_area
from ...errors import DisMoError


def resize_area(mask: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """A mask in another size, see `resize_by_area`.

    Args:
        mask: float [h, w], taken in float32.
        width: px.
        height: px.

    Returns:
        float32 [height, width].

    Raises:
        DisMoError: not a mask, or a size without pixels.
    """
    mask = np.asarray(mask, np.float32)
    if mask.ndim != 2 or 0 in mask.shape or width < 1 or height < 1:
        raise DisMoError(f"A mask [h, w] is resized to at least 1x1 px, not {list(mask.shape)} to {width}x{height} px.")
    return resize_by_area(mask, height, width).astype(np.float32)
