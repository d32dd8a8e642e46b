"""Colors carried on to where there are none, by a push-pull pyramid (Gortler et al. 1996, The Lumigraph, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad


def push_pull(image: Tensor, weight: Tensor) -> Tensor:
    """Fill a picture from the places where `weight` is above 0; the further away, the smoother.

    Args:
        image: [C, H, W].
        weight: [H, W], 0..1, how much is known of each pixel.

    Returns:
        [C, H, W]: the picture where the weight is 1, else a mixture of it and of what is around it. Zeros where nothing is
        known anywhere.
    """
    weight = weight[None, None].clamp(0, 1)
    known = image[None] * weight
    levels = [(known, weight)]
    while max(known.shape[-2:]) > 1:
        known, weight = _halved(known), _halved(weight)
        full = (2 * weight).clamp(max=1)  # half of the pixels are enough to know a color
        known = known * (full / weight.clamp_min(1e-8))
        weight = full
        levels.append((known, weight))
    filled = known / weight.clamp_min(1e-8)
    for known, weight in reversed(levels[:-1]):
        coarse = interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        filled = known + (1 - weight) * coarse[..., : known.shape[-2], : known.shape[-1]]
    return filled[0]


def _halved(x: Tensor) -> Tensor:
    """Means of 2x2 pixels; an odd last row or column stands for two."""
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return avg_pool2d(x, 2)


def dilated(mask: Tensor, radius: int) -> Tensor:
    """Largest value of a mask [H, W] within a square of `radius` px."""
    if radius < 1:
        return mask
    out = mask[None]
    for size, edge in (((1, 2 * radius + 1), (0, radius)), ((2 * radius + 1, 1), (radius, 0))):
        out = torch.nn.functional.max_pool2d(out, size, stride=1, padding=edge)
    return out[0]
