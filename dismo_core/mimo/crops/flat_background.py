"""A character on a background of one color: its outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ..templates.fragments import border_fragments

SAME = 20  # levels by which a background differs from its own color
LEAST = 0.05  # of the picture, that a background covers
_BORDER = 0.6  # of the picture's border, that has the background's color


def outline(picture: NDArray[np.uint8], name: str = "The picture") -> NDArray[np.uint8]:
    """Alpha 255 where a picture is not part of its flat background: what has the border's color and is joined to it.

    Args:
        picture: uint8 [h, w, 3].
        name: of the picture, for messages.

    Returns:
        uint8 [h, w], 0 or 255.

    Raises:
        DisMoError: the border has no single color, so nothing says where the character is.
    """
    border = np.concatenate((picture[0], picture[-1], picture[:, 0], picture[:, -1])).astype(np.int16)
    color = np.median(border, 0).astype(np.int16)
    flat = (np.abs(border - color).max(-1) <= SAME).mean() >= _BORDER
    background = border_fragments(np.abs(picture.astype(np.int16) - color).max(-1) <= SAME)
    if not flat or background.mean() < LEAST:
        raise DisMoError(
            f"{name} has neither transparency nor a background of one color, so nothing says where the character is. "
            "Give its mask, or cut it out first."
        )
    return np.where(background, 0, 255).astype(np.uint8)
