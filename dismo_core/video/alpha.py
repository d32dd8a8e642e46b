"""Transparency of pictures and videos: one rule, a background of one color shows through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from torch import Tensor

from ..errors import DisMoError

RGB = tuple[int, int, int]
BLACK: RGB = (0, 0, 0)


def background_rgb(background: str) -> RGB:
    """The color (0..255 each) that a name ("black", "white", "rebeccapurple") or "#rrggbb" means.

    Raises:
        DisMoError: no such color, or one that is itself transparent.
    """
    try:
        channels = ImageColor.getrgb(background)
    except (ValueError, AttributeError, TypeError) as error:  # the latter two: no text
        raise DisMoError(
            f"background must be the name of a color, such as 'black' or 'white', or '#rrggbb', not {background!r}."
        ) from error
    if len(channels) == 4 and channels[3] != 255:
        raise DisMoError(f"background {background!r} is transparent itself. Give a color without transparency.")
    return channels[0], channels[1], channels[2]


def over_background(rgba: NDArray[np.uint8], background: RGB) -> NDArray[np.uint8]:
    """Composite uint8 [H, W, 4] with straight alpha over a color: uint8 [H, W, 3]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    weighted = rgba[..., :3] * alpha
    if background != BLACK:
        weighted += np.array(background, np.uint16) * (255 - alpha)
    return ((weighted + 127) // 255).astype(np.uint8)


def float_over_background(color: Tensor, alpha: Tensor, background: RGB) -> Tensor:
    """The same in floats of 0..1: color [..., 1 or 3] and alpha [..., 1] -> [..., 3]."""
    behind = color.new_tensor(background) / 255
    return color * alpha + behind * (1 - alpha)
