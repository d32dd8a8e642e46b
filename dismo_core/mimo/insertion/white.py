"""A character made on white, taken off it: color and transparency (docs/methods/mimo.md, 9)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...video.fill import push_pull
from ..crops.silhouette import erode
from ..templates.fragments import border_fragments

WHITE = 250  # level from which a pixel joined to the border is background
_EDGE = 2  # px along the outline, in which the character is mixed with white


def off_white(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The character with its transparency, of a frame that shows it on white.

    Inside, more than 2 px from the background, it is opaque. Its colors are carried from there to the edge, where the alpha is what
    explains the pixel best as a mix with white: a = ((w - p) . (w - c)) / |w - c|^2, for pixel p, color c and white w.

    Args:
        frame: uint8 [H, W, 3].

    Returns:
        uint8 [H, W, 4], straight alpha.
    """
    background = border_fragments(frame.min(-1) >= WHITE)
    shown = np.where(background, 0, 255).astype(np.uint8)
    inner = erode(shown, _EDGE, _EDGE) > 0
    pixels = frame.astype(np.float32)
    if not inner.any():
        return np.concatenate((frame, shown[..., None]), 2)
    carried = push_pull(torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(inner.astype(np.float32)))
    color = np.where(inner[..., None], pixels, carried.permute(1, 2, 0).numpy())
    from_white = 255 - color
    share = ((255 - pixels) * from_white).sum(-1) / np.maximum((from_white**2).sum(-1), 1)
    alpha = np.where(inner, 1, np.where(background, 0, share.clip(0, 1)))
    layers = np.concatenate((color, 255 * alpha[..., None]), 2)
    off: NDArray[np.uint8] = layers.round().clip(0, 255).astype(np.uint8)
    return off
