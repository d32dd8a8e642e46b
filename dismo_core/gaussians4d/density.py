"""From Gaussians to a surface: a grid of densities, and marching cubes over it (docs/methods/gaussians4d.md, 7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DisMoError
from ..imports import importing
from .gaussians import LEAST_OPACITY, Gaussians, rotation_matrices

EXTENT = 1.8  # longest side of the box of the means, in a grid from -1 to 1
CHUNK = 1 << 22  # pairs of a point and a Gaussian at once


@dataclass(frozen=True)
class DensityGrid:
    """Densities on a regular grid.

    Args:
        values: [R,R,R], along x, y, z.
        center: [3], of the Gaussians, where the grid has its middle.
        scale: grid coordinates (-1..1) per unit.
    """

    values: Tensor
    center: Tensor
    scale: float


@torch.no_grad()
def density_grid(gaussians: Gaussians, resolution: int = 128, blocks: int = 16, margin: float = 1.5) -> DensityGrid:
    """Sum of opacity times exp(-d^2/2), d the Mahalanobis distance, at the points of a grid.

    The points are taken block by block; a Gaussian counts in a block where its mean lies in the block's box, enlarged.

    Args:
        gaussians: those of an opacity up to 0.005 are left out.
        resolution: points along each axis, a multiple of `blocks`.
        blocks: along each axis.
        margin: enlargement on each side, in 2 / blocks.

    Raises:
        DisMoError: a resolution that is no multiple, or no Gaussian that can be seen.
    """
    if resolution % blocks or resolution < 2 * blocks:
        raise DisMoError(
            f"The resolution of a density grid must be a multiple of {blocks}, from {2 * blocks} on, not {resolution}."
        )
    g = gaussians.select(gaussians.opacities > LEAST_OPACITY)
    if not len(g):
        raise DisMoError(
            f"None of {len(gaussians)} Gaussians has an opacity above {LEAST_OPACITY}: there is no surface."
        )
    low, high = g.means.amin(0), g.means.amax(0)
    center, scale = (low + high) / 2, EXTENT / float((high - low).max())
    means, opacities = (g.means - center) * scale, g.opacities
    whiten = (rotation_matrices(g.rotations) / (g.scales * scale)[:, None]).mT  # rows: axes over deviations
    axis = torch.linspace(-1, 1, resolution, device=means.device)
    n = resolution // blocks
    reach = margin * 2 / blocks
    parts = axis.view(blocks, n)
    near = (means[None] > parts[:, :1, None] - reach) & (means[None] < parts[:, -1:, None] + reach)  # [blocks, G, 3]
    values = torch.zeros(resolution, resolution, resolution, device=means.device)
    for i in range(blocks):
        for j in range(blocks):
            beside = near[i, :, 0] & near[j, :, 1]
            if not bool(beside.any()):
                continue
            for k in range(blocks):
                index = (beside & near[k, :, 2]).nonzero()[:, 0]
                if not len(index):
                    continue
                points = torch.cartesian_prod(parts[i], parts[j], parts[k])
                values[i * n : i * n + n, j * n : j * n + n, k * n : k * n + n] = _density(
                    points, means[index], whiten[index], opacities[index]
                ).view(n, n, n)
    return DensityGrid(values, center, scale)


def _density(points: Tensor, means: Tensor, whiten: Tensor, opacities: Tensor) -> Tensor:
    total = torch.zeros_like(points[:, 0])
    step = max(1, CHUNK // len(points))
    for begin in range(0, len(means), step):
        part = slice(begin, begin + step)
        away = whiten[part] @ (points.mT - means[part][..., None])  # [G,3,P]
        total += opacities[part] @ (-0.5 * away.square().sum(1)).exp()
    return total


def extract_surface(grid: DensityGrid, threshold: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices [V,3] and faces [F,3] where the density crosses a threshold; faces turn outwards.

    Raises:
        DisMoError: a threshold that the density does not reach, or scikit-image is missing.
    """
    highest = float(grid.values.max())
    if not 0 < threshold < highest:
        raise DisMoError(
            f"The density goes up to {highest:.3g}: there is no surface at a threshold of {threshold:g}. "
            f"Choose one above 0 and below that; {highest / 2:.2g} is in the middle."
        )
    with importing("scikit-image"):
        from skimage.measure import marching_cubes
    resolution = grid.values.shape[0]
    march: Any = marching_cubes  # without types
    found, faces, _, _ = march(grid.values.cpu().numpy(), threshold, gradient_direction="ascent")
    vertices = (found / (resolution - 1) * 2 - 1) / grid.scale + grid.center.cpu().numpy()
    return vertices.astype(np.float32), faces.astype(np.int32)
