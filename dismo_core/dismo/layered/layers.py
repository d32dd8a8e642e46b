"""A picture taken apart: the ground, whole, and the thing on it, cut out without the colors of the ground at its edge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from ...video.fill import dilated, push_pull
from ...video.picture import to_uint8
from .copy_fill import copy_fill

EDGE = 256  # a rim of one px in a picture of this side is taken as mixed with what is beside it
SEEN = 1 / 255  # less of a thing is not seen
CORE = 0.98  # above it a pixel is all thing


@dataclass(frozen=True)
class Layers:
    """Two layers of a picture.

    Args:
        picture: uint8 [H, W, 3], as it was.
        ground: [3, H, W], 0..1, filled in where the thing was.
        thing: [4, h, w], color times coverage, and coverage, 0..1: the part of the picture with the thing; None = there is none.
        corner: (x, y) of that part, px.
        centre: (x, y) centre of gravity of the thing, px from the middle of the picture.
    """

    picture: Tensor
    ground: Tensor
    thing: Tensor | None = None
    corner: tuple[int, int] = (0, 0)
    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), px."""
        return int(self.ground.shape[-2]), int(self.ground.shape[-1])


def take_apart(picture: Tensor, mask: Tensor | None) -> Layers:
    """Layers whose composite is the picture, but for a rim around the thing.

    Args:
        picture: [H, W, 3], 0..1.
        mask: [H, W], 0..1, what is thing; None = nothing.
    """
    image, whole = picture.float().movedim(-1, 0), to_uint8(picture, 0)
    if mask is None or not bool((mask > SEEN).any()):
        return Layers(whole, image)
    alpha = _soft(mask.to(image).clamp(0, 1))
    rim = max(1, round(min(alpha.shape) / EDGE))
    ground = copy_fill(image, (dilated(alpha, rim) > SEEN).float())
    least = 1 - dilated(1 - alpha, rim)  # around a pixel
    known = torch.where(least > CORE, 1.0, alpha.square() * (least > SEEN))  # of wide soft edges, not of narrow ones
    color = push_pull(image, known if bool(known.any()) else alpha)
    # The mixture must be the picture: what is missing is shared out by how much each layer is seen.
    missing = image - alpha * color - (1 - alpha) * ground
    share = alpha.square() + (1 - alpha).square()
    color = (color + missing * alpha / share).clamp(0, 1)
    rows, columns = (torch.nonzero((alpha > SEEN).any(axis)).flatten() for axis in (1, 0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    part = torch.cat((color * alpha, alpha[None]))[:, top:bottom, left:right].contiguous()
    return Layers(whole, ground, part, (left, top), centre_of_gravity(alpha))


def centre_of_gravity(mask: Tensor) -> tuple[float, float]:
    """(x, y) of what a mask [H, W] covers, px from the middle of the picture."""
    y, x = (torch.arange(n, device=mask.device) + 0.5 - n / 2 for n in mask.shape)
    total = mask.sum()
    return float((mask.sum(0) * x).sum() / total), float((mask.sum(1) * y).sum() / total)


def _soft(mask: Tensor) -> Tensor:
    """A mask with an edge of a pixel or more: a hard one is averaged over 3x3 px."""
    edge = (mask > 0.02) & (mask < 0.98)
    outline = dilated(mask, 1) - mask > 0.5
    if edge.sum() >= 0.5 * outline.sum():
        return mask
    return avg_pool2d(pad(mask[None, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0, 0]
