"""Masks [H,W] as people want them: with soft edges, and laid over a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ...dismo_core import DisMoError

WIDEST = 100.0  # px
COLOR = (1.0, 0.15, 0.1)  # of what a mask marks
COVER = 0.6  # of the picture by that color


def check_feather(feather: float) -> None:
    """Raise unless an edge can be as soft as `feather` px."""
    if not 0 <= feather <= WIDEST:
        raise DisMoError(f"feather must be 0 to {WIDEST:g} px, not {feather}. 0 leaves the edge as it is.")


def feathered(mask: Tensor, feather: float) -> Tensor:
    """A mask with a softer edge.

    Args:
        mask: [H,W], 0..1.
        feather: px over which the edge fades on either side; the standard deviation of the blur is half of it.

    Returns:
        [H,W], 0..1.
    """
    if feather <= 0:
        return mask
    reach = math.ceil(feather)
    places = torch.arange(-reach, reach + 1, dtype=mask.dtype, device=mask.device)
    weights = torch.exp(-0.5 * (places / (feather / 2)) ** 2)
    weights = weights / weights.sum()
    blurred = pad(mask[None, None], (reach, reach, reach, reach), mode="replicate")
    blurred = conv2d(conv2d(blurred, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return blurred[0, 0].clamp(0, 1)


def laid_over(picture: Tensor, mask: Tensor) -> Tensor:
    """A picture [H,W,3], 0..1, with what a mask [H,W] marks in color."""
    cover = COVER * mask[..., None]
    return picture * (1 - cover) + picture.new_tensor(COLOR) * cover
