"""Latents of the tiny base: the thumbnail of a picture, four pixels of it at a place.

A learned code of a few numbers a place says where an edge lies in a way that the denoiser has to learn first. Here the
encoder is trained towards a code that is known: means over 4 x 4 pixels, of which each 2 x 2 block is given as its mean and
three differences (a Haar transform), every kind scaled to a similar deviation. What lies between two latents is then a
picture that lies between theirs, and the denoiser can be trained without the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHANNELS = 12  # 3 colors x (mean, difference along x, along y, across)
FACTOR = 8  # px of the picture a latent pixel
MEAN_SCALE, DIFFERENCE_SCALE = 1.25, 4.0  # on them: deviations are then about 1 and, at an outline, as much


def thumbnail_latents(thumbnails: Tensor) -> Tensor:
    """Thumbnails [..., 2h, 2w, 3] in -1..1 (pictures, 4 px a pixel) as latents [..., 12, h, w]."""
    blocks = thumbnails.unflatten(-3, (-1, 2)).unflatten(-2, (-1, 2))  # [..., h, 2, w, 2, 3]
    top, bottom = blocks.unbind(-4)
    (a, b), (c, d) = top.unbind(-2), bottom.unbind(-2)
    parts = (
        (a + b + c + d) / 4 * MEAN_SCALE,
        *(x / 4 * DIFFERENCE_SCALE for x in (b + d - a - c, c + d - a - b, a + d - b - c)),
    )
    return torch.cat(parts, dim=-1).movedim(-1, -3)


def latent_thumbnails(latents: Tensor) -> Tensor:
    """The inverse: latents [..., 12, h, w] as thumbnails [..., 2h, 2w, 3]."""
    mean, x, y, across = latents.movedim(-3, -1).unflatten(-1, (4, 3)).unbind(-2)
    mean = mean / MEAN_SCALE
    x, y, across = x / DIFFERENCE_SCALE, y / DIFFERENCE_SCALE, across / DIFFERENCE_SCALE
    top = torch.stack((mean - x - y + across, mean + x - y - across), dim=-2)
    bottom = torch.stack((mean - x + y - across, mean + x + y + across), dim=-2)
    return torch.stack((top, bottom), dim=-4).flatten(-5, -4).flatten(-3, -2)
