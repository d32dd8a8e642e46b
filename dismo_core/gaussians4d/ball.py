"""Gaussians from nothing: a ball of them, and its growing and thinning (docs/methods/gaussians4d.md, 4.3)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..errors import DisMoError
from .gaussians import Gaussians, rotation_matrices

START_OPACITY = 0.1
NEIGHBOURS = 3
LARGEST = 0.1  # of the extent; larger Gaussians are removed
SHRINK = 1.6  # of a Gaussian that is split in two


def init_ball(count: int, rng: np.random.RandomState, radius: float = 0.5) -> Gaussians:
    """Grey Gaussians, uniform in a ball.

    Args:
        count: at least 4.
        rng: whose next numbers are used.
        radius: of the ball.

    Raises:
        DisMoError: fewer than 4.
    """
    if count <= NEIGHBOURS:
        raise DisMoError(f"A ball needs at least {NEIGHBOURS + 1} Gaussians, not {count}.")
    phi = rng.random_sample(count) * 2 * math.pi
    cosine = rng.random_sample(count) * 2 - 1
    distance = radius * np.cbrt(rng.random_sample(count))
    sine = np.sin(np.arccos(cosine))
    points = np.stack((distance * sine * np.cos(phi), distance * sine * np.sin(phi), distance * cosine), axis=1)
    colors = rng.random_sample((count, 3)) / 255
    means = torch.from_numpy(points).float()
    spread = mean_square_distance(means, NEIGHBOURS).clamp_min(1e-7).sqrt().log()
    return Gaussians(
        means,
        torch.from_numpy(colors).float(),
        torch.full((count,), START_OPACITY).logit(),
        spread[:, None].repeat(1, 3),
        torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
    )


def neighbours(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Distances and numbers [N,count] of the nearest other points."""
    distances, index = [], []
    for begin in range(0, len(points), 2048):
        away = torch.cdist(points[begin : begin + 2048], points)
        away[torch.arange(len(away)), torch.arange(begin, begin + len(away))] = math.inf
        found = away.topk(count, largest=False)
        distances.append(found.values)
        index.append(found.indices)
    return torch.cat(distances), torch.cat(index)


def mean_square_distance(points: Tensor, count: int) -> Tensor:
    """[N], to the nearest other points."""
    _, index = neighbours(points, count)
    return (points[index] - points[:, None]).square().sum(-1).mean(-1)


def densify(
    gaussians: Gaussians,
    grads: Tensor,
    threshold: float,
    extent: float = 0.5,
    percent_dense: float = 0.1,
    min_opacity: float = 0.01,
    normal: Tensor | None = None,
) -> Gaussians:
    """Clone the small and split the large Gaussians that the loss pulls at, then remove the faint and the huge.

    Args:
        gaussians: N.
        grads: [N], mean length of the gradient of the place in the picture.
        threshold: from which on a Gaussian is cloned or split.
        extent: of the scene.
        percent_dense: of the extent: what is small.
        min_opacity: below it a Gaussian is removed.
        normal: [2M,3] standard normal numbers for the M that are split, the first child of all, then the second; further
            rows are not used; None draws them.

    Returns:
        Those kept, the clones, the first children, the second children.
    """
    return densify_with_origin(gaussians, grads, threshold, extent, percent_dense, min_opacity, normal)[0]


def densify_with_origin(
    gaussians: Gaussians,
    grads: Tensor,
    threshold: float,
    extent: float = 0.5,
    percent_dense: float = 0.1,
    min_opacity: float = 0.01,
    normal: Tensor | None = None,
) -> tuple[Gaussians, Tensor]:
    """As `densify`; and for each row the number that it had before, -1 for a new one."""
    large = gaussians.scales.amax(1) > percent_dense * extent
    pulled = grads >= threshold
    clone, split = (pulled & ~large).nonzero()[:, 0], (pulled & large).nonzero()[:, 0]
    kept = (~(pulled & large)).nonzero()[:, 0]
    parents = split.repeat(2)
    if normal is None:
        normal = torch.randn(len(parents), 3, device=gaussians.means.device)
    if normal.ndim != 2 or normal.shape[1] != 3 or len(normal) < len(parents):
        raise DisMoError(
            f"{len(split)} Gaussians are split: normal must be [{len(parents)}, 3], not {list(normal.shape)}."
        )
    every = gaussians.select(torch.cat((kept, clone, parents)))
    turn = rotation_matrices(gaussians.rotations[parents])
    offset = (turn @ (gaussians.scales[parents] * normal[: len(parents)])[..., None])[..., 0]
    first = len(kept) + len(clone)
    means, log_scales = every.means.clone(), every.log_scales.clone()
    means[first:] += offset
    log_scales[first:] -= math.log(SHRINK)
    every = Gaussians(
        means, every.colors_dc, every.opacity_logits, log_scales, every.quaternions, every.share, every.sh_rest
    )
    origin = torch.cat((kept, torch.full((len(clone) + len(parents),), -1, device=kept.device)))
    stays = (every.opacities >= min_opacity) & (every.scales.amax(1) <= LARGEST * extent)
    return every.select(stays), origin[stays]
