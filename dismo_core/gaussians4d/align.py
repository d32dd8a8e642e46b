"""Gaussians of any origin turned, moved and scaled until they look as a frame of a clip (docs/methods/gaussians4d.md, 4.4)."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import torch
from torch import Tensor

from .cameras import FOV_Y, focal_length, orbit_views, project_points
from .clip import Clip4D
from .gaussians import Gaussians
from .rasterizer import rasterize

log = logging.getLogger(__name__)
SIZE = 64  # px, at which they are compared
COARSE, FINE = 10, 1  # degrees
ALREADY = 0.8  # intersection over union of the masks, from which on nothing is turned
SOLID = 0.1  # opacity from which a Gaussian counts for the size
STRAY = 0.01  # share of those that may lie outside at each end


@torch.no_grad()
def aligned(gaussians: Gaussians, clip: Clip4D, frame: int = 0, radius: float = 1.5, fov_y: float = FOV_Y) -> Gaussians:
    """Turn about the vertical axis, move and scale.

    Args:
        gaussians: upright, of any size and place.
        clip: prepared.
        frame: of the clip.
        radius: distance of the known view's camera.
        fov_y: its field of view, degrees.

    Returns:
        The same object where it fits already.
    """
    wanted = torch.cat([value[frame] for value in clip.frames(SIZE)])
    if _agreement(gaussians, wanted, radius, fov_y) >= ALREADY:
        return gaussians
    solid = gaussians.opacities >= SOLID
    means = gaussians.means[solid] if bool(solid.any()) else gaussians.means
    low, high = means.quantile(STRAY, 0), means.quantile(1 - STRAY, 0)
    base = placed(gaussians, 0.0, 1 / float((high - low).max().clamp_min(1e-6)), -(low + high) / 2)

    def fitted(azimuth: float) -> Gaussians:
        turned = placed(base, -azimuth)
        box, goal = _box(turned, radius, fov_y), _mask_box(wanted[3])
        turned = placed(turned, 0.0, float((goal[2:] - goal[:2]).max() / (box[2:] - box[:2]).max().clamp_min(1e-6)))
        box = _box(turned, radius, fov_y)
        pixels = ((goal[:2] + goal[2:]) - (box[:2] + box[2:])) / 2
        off = pixels * radius / focal_length(SIZE, fov_y)
        return placed(turned, 0.0, 1.0, torch.stack((off[0], -off[1], off[0] * 0)))

    def error(azimuth: float) -> float:
        return float((_picture(fitted(azimuth), radius, fov_y) - wanted).square().mean())

    near = min(range(-180, 180, COARSE), key=error)
    best = min(range(near - COARSE + FINE, near + COARSE, FINE), key=error)
    log.info("The Gaussians were turned by %d degrees, moved and scaled to look as the clip.", -best)
    return fitted(best)


def placed(gaussians: Gaussians, azimuth: float = 0.0, scale: float = 1.0, shift: Tensor | None = None) -> Gaussians:
    """Shifted, then scaled, then turned by degrees about the vertical axis: what was in front goes to that azimuth.

    Colors that depend on the direction would be wrong then, and are left out.
    """
    half = math.radians(azimuth) / 2
    c, s = math.cos(2 * half), math.sin(2 * half)
    means = gaussians.means if shift is None else gaussians.means + shift
    turn = means.new_tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    w, x, y, z = gaussians.quaternions.unbind(-1)
    a, b = math.cos(half), math.sin(half)
    turned = torch.stack((a * w - b * y, a * x + b * z, a * y + b * w, a * z - b * x), dim=-1)
    return replace(
        gaussians,
        means=scale * means @ turn.mT,
        log_scales=gaussians.log_scales + math.log(scale),
        quaternions=turned,
        sh_rest=None,
    )


def _picture(gaussians: Gaussians, radius: float, fov_y: float) -> Tensor:
    """RGB on white and alpha of the known view, [4,SIZE,SIZE]."""
    raster = rasterize(*gaussians.activated(), orbit_views([0.0], [0.0], [radius]), SIZE, SIZE, fov_y)
    return torch.cat((raster.image[0].clamp(0, 1), raster.alpha[0]))


def _agreement(gaussians: Gaussians, wanted: Tensor, radius: float, fov_y: float) -> float:
    seen, mask = _picture(gaussians, radius, fov_y)[3] > 0.5, wanted[3] > 0.5
    return float((seen & mask).sum() / (seen | mask).sum().clamp_min(1))


def _box(gaussians: Gaussians, radius: float, fov_y: float) -> Tensor:
    """x and y from where to where, px, of the solid ones."""
    solid = gaussians.opacities >= SOLID
    means = gaussians.means[solid] if bool(solid.any()) else gaussians.means
    place = project_points(means, orbit_views([0.0], [0.0], [radius])[0], SIZE, SIZE, fov_y)
    return torch.cat((place.quantile(STRAY, 0), place.quantile(1 - STRAY, 0)))


def _mask_box(mask: Tensor) -> Tensor:
    rows, columns = ((mask > 0.5).any(axis).nonzero()[:, 0] for axis in (1, 0))
    return torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)).float()
