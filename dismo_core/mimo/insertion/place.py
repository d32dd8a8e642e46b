"""A cut-out picture, scaled and moved by fractions of pixels into a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..crops.boxes import bounding_box

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A picture that lies over part of a frame.

    Args:
        color: [h, w, 3], 0..255, times its alpha.
        alpha: [h, w, 1], 0..1.
        rows: of the frame.
        columns: of the frame.
    """

    color: Floats
    alpha: Floats
    rows: slice
    columns: slice

    def over(self, frame: Floats) -> Floats:
        """The frame [H, W, 3] with this over it; a new array."""
        out: Floats = frame.copy()
        out[self.rows, self.columns] = self.color + frame[self.rows, self.columns] * (1 - self.alpha)
        return out


def place(
    picture: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    scale: float,
    shift: tuple[float, float],
    size: tuple[int, int],
    feather: float = 0.0,
) -> Layer | None:
    """Point p of the picture comes to scale p + shift in the frame; None where nothing of it is inside.

    Bicubic, antialiased where it becomes smaller, with the colors times their alpha.

    Args:
        picture: uint8 [h, w, 3], straight alpha.
        alpha: uint8 [h, w].
        scale: factor of growth.
        shift: (x, y), px.
        size: (width, height) of the frame, px.
        feather: px of the frame over which the alpha falls off, inside its edge.
    """
    box = bounding_box(alpha)
    if box is None:
        return None
    x0, x1, y0, y1 = box
    margin = (
        math.ceil(2 / scale) + 3
    )  # transparent pixels around, which the filter and the rounding of places reach into
    low = [math.floor(edge * scale + by) - 1 for edge, by in zip((x0, y0), shift, strict=True)]
    high = [math.ceil(edge * scale + by) + 1 for edge, by in zip((x1, y1), shift, strict=True)]
    left, top = max(0, low[0]), max(0, low[1])
    right, bottom = min(size[0], high[0]), min(size[1], high[1])
    if left >= right or top >= bottom:
        return None

    def back(edge: int, by: float, begin: int) -> float:
        return (edge - by) / scale - begin + margin

    source = (back(left, shift[0], x0), back(top, shift[1], y0), back(right, shift[0], x0), back(bottom, shift[1], y0))
    weight = alpha[y0:y1, x0:x1, None].astype(np.float32) / 255
    layers = np.concatenate((picture[y0:y1, x0:x1] * weight, weight), 2)
    layers = np.pad(layers, ((margin, margin), (margin, margin), (0, 0)))
    out = np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(layers[..., channel])).resize(
                    (right - left, bottom - top), Image.Resampling.BICUBIC, box=source
                )
            )
            for channel in range(4)
        ],
        2,
    )
    coverage: Floats = out[..., 3:].clip(0, 1).astype(np.float32)
    color: Floats = out[..., :3].clip(0, 255 * coverage).astype(np.float32)
    if feather > 0:
        inner = _feathered(coverage[..., 0], feather)[..., None]
        color, coverage = color * inner, coverage * inner
    return Layer(color, coverage, slice(top, bottom), slice(left, right))


def alpha_of(layer: Layer | None, frame: NDArray[np.uint8]) -> Floats:
    """The alpha of a layer over a whole frame, [H, W, 1]."""
    alpha = np.zeros((*frame.shape[:2], 1), np.float32)
    if layer is not None:
        alpha[layer.rows, layer.columns] = layer.alpha
    return alpha


def _feathered(alpha: Floats, radius: float) -> Floats:
    """A factor that falls to 0 at the edge of an alpha [h, w]: 2 b - 1, 0 to 1, for the alpha b blurred by `radius` px."""
    reach = math.ceil(3 * radius)
    wide = np.pad(alpha, reach)
    # the filter takes bytes only
    blurred = Image.fromarray((wide * 255).round().astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    inner = np.asarray(blurred, np.float32)[reach : reach + alpha.shape[0], reach : reach + alpha.shape[1]] / 255
    factor: Floats = (2 * inner - 1).clip(0, 1).astype(np.float32)
    return factor
