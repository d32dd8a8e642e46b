"""Gaussians and a mesh from one outline: the silhouette, blown up (docs/methods/gaussians4d.md, 12.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from .cameras import FOV_Y, focal_length
from .gaussians import SH_0, Gaussians
from .mesh import Mesh

SOLVED_AT = 96  # px, at which the thickness is solved for
OPACITY_LOGIT = 2.0
SCALE = 0.5  # steps of the grid
MESH_STEPS = 72  # of the mesh along a side of the picture
SMOOTHING = 4  # times the outline of the mesh is smoothed


@dataclass(frozen=True)
class _Shape:
    """A picture as a square: color [3,S,S], alpha [S,S], thickness [S,S] in sides of the picture."""

    color: Tensor
    alpha: Tensor
    thickness: Tensor


def inflate_silhouette(
    rgba: NDArray[Any] | Tensor, count: int = 1500, radius: float = 1.5, fov_y: float = FOV_Y, thickness: float = 0.7
) -> Gaussians:
    """Two layers of Gaussians, front and back, and a seam. What is not seen is inferred from the outline.

    Args:
        rgba: square picture of the subject [S,S,4], uint8 or 0..1, as the camera of the known view sees it.
        count: about how many Gaussians.
        radius: distance of that camera.
        fov_y: its field of view, degrees.
        thickness: of a disc, in its radii; 1 makes a ball.

    Returns:
        Gaussians with `share`: those of one pixel keep one color and one opacity.

    Raises:
        DisMoError: no subject, or a thickness or count that cannot be.
    """
    shape = _solve(rgba, thickness)
    if not 50 <= count <= 1_000_000:
        raise DisMoError(f"count must be 50 to 1000000 Gaussians, not {count}.")
    area = float((shape.alpha > 0.5).float().mean())
    # 2 area n^2 for the layers, and a seam of about 4 sqrt(area) n
    seam = 4 * area**0.5
    steps = max(4, round((-seam + (seam**2 + 8 * area * count) ** 0.5) / (4 * area)))
    u, v, inside, depth = _grid(shape, steps)
    edge = inside & ~_all_neighbours(inside)
    number = torch.arange(steps * steps).view(steps, steps)
    place, share = [], []
    for chosen, z in ((inside, depth), (inside, -depth), (edge, torch.zeros_like(depth))):
        place.append(_on_ray(u[chosen], v[chosen], z[chosen], radius, fov_y))
        share.append(number[chosen])
    means, owner = torch.cat(place), torch.cat(share)
    color = _sample(shape.color, u, v).flatten(1)[:, owner].mT
    unit = radius / focal_length(1, fov_y)  # of one side of the picture, at the origin
    n = len(means)
    return Gaussians(
        means,
        (color - 0.5) / SH_0,
        torch.full((n,), OPACITY_LOGIT),
        torch.full((n, 3), SCALE * unit / steps).log(),
        torch.tensor([1.0, 0, 0, 0]).repeat(n, 1),
        share=owner,
    )


def inflate_mesh(
    rgba: NDArray[Any] | Tensor, radius: float = 1.5, fov_y: float = FOV_Y, thickness: float = 0.7
) -> Mesh:
    """The same shape as a closed mesh; its texture coordinates are places in the picture.

    Args:
        rgba: as `inflate_silhouette`.
        radius: likewise.
        fov_y: likewise.
        thickness: likewise.
    """
    shape = _solve(rgba, thickness)
    _, _, cells, _ = _grid(shape, MESH_STEPS)
    if not bool(cells.any()):
        raise DisMoError(
            "The subject is too small for a mesh: it fills no cell of the grid. Prepare the clip at a larger crop."
        )
    n = MESH_STEPS + 1
    at = torch.arange(n) / MESH_STEPS
    v, u = torch.meshgrid(at, at, indexing="ij")
    depth = _sample(shape.thickness[None], u, v)[0]  # 0 at corners that lie outside: front and back meet there
    index = torch.arange(n * n).view(n, n)
    a, b, c, d = (index[s][cells] for s in _CORNERS)  # top left, top right, bottom left, bottom right
    front = torch.cat((torch.stack((a, c, b), 1), torch.stack((b, c, d), 1)))
    directed = torch.cat((front[:, [0, 1]], front[:, [1, 2]], front[:, [2, 0]]))
    key = directed[:, 0] * n * n + directed[:, 1]
    rim = directed[~torch.isin(directed[:, 1] * n * n + directed[:, 0], key)]  # edges of one triangle
    back = front.flip(1) + n * n
    i, j = rim.unbind(1)
    side = torch.cat((torch.stack((j, i, i + n * n), 1), torch.stack((j, i + n * n, j + n * n), 1)))
    faces = torch.cat((front, back, side))
    flat = torch.stack((u, v), dim=-1).view(-1, 2)
    for _ in range(SMOOTHING):
        flat = _smoothed(flat, rim)
    depth = depth.flatten()
    points = torch.cat([_on_ray(flat[:, 0], flat[:, 1], z, radius, fov_y) for z in (depth, -depth)])
    used, faces = faces.unique(return_inverse=True)
    uv = flat.repeat(2, 1)[used]
    return Mesh(points[used].numpy(), faces.int().numpy(), None, uv.numpy(), None)


_CORNERS = (
    (slice(None, -1), slice(None, -1)),
    (slice(None, -1), slice(1, None)),
    (slice(1, None), slice(None, -1)),
    (slice(1, None), slice(1, None)),
)


def _smoothed(points: Tensor, rim: Tensor) -> Tensor:
    """Points on the rim half way to the middle of their neighbours there."""
    ends = torch.cat((rim, rim.flip(1)))
    total, count = torch.zeros_like(points), torch.zeros(len(points), 1)
    total.index_add_(0, ends[:, 0], points[ends[:, 1]])
    count.index_add_(0, ends[:, 0], torch.ones(len(ends), 1))
    return torch.where(count > 0, 0.5 * points + 0.5 * total / count.clamp_min(1), points)


def _solve(rgba: NDArray[Any] | Tensor, thickness: float) -> _Shape:
    picture = torch.as_tensor(np.asarray(rgba))
    if picture.ndim != 3 or picture.shape[-1] != 4 or picture.shape[0] != picture.shape[1]:
        raise DisMoError(f"The picture must be a square [S,S,4] with alpha, not {list(picture.shape)}.")
    if not 0.05 <= thickness <= 2:
        raise DisMoError(f"thickness must be 0.05 to 2 radii of a disc, not {thickness:g}; 0.7 is usual.")
    values = picture.float() / (255 if picture.dtype == torch.uint8 else 1)
    alpha = values[..., 3]
    if not bool((alpha > 0.5).any()):
        raise DisMoError("The mask is empty: there is no subject to inflate. Give a picture with transparency.")
    small = F.interpolate(alpha[None, None], (SOLVED_AT, SOLVED_AT), mode="bilinear", antialias=True)[0, 0]
    height = _poisson((small > 0.5).double())
    up = F.interpolate(height[None, None].float(), alpha.shape, mode="bilinear", align_corners=False)[0, 0]
    return _Shape(_extended(values), alpha, thickness * up.sqrt() / SOLVED_AT)


def _poisson(mask: Tensor) -> Tensor:
    """h with laplace(h) = -4 within the mask and 0 outside, by conjugate gradients."""

    def laplace(h: Tensor) -> Tensor:
        padded = F.pad(h, (1, 1, 1, 1))
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return (4 * h - around) * mask

    h = torch.zeros_like(mask)
    residual = 4 * mask
    direction, square = residual, residual.square().sum()
    start = square
    for _ in range(4 * len(mask)):
        if square <= 1e-12 * start:
            break
        moved = laplace(direction)
        step = square / (direction * moved).sum()
        h, residual = h + step * direction, residual - step * moved
        before, square = square, residual.square().sum()
        direction = residual + square / before * direction
    return h.clamp_min(0)


def _extended(values: Tensor) -> Tensor:
    """Straight color [3,S,S], grown outwards from where the picture is opaque, so that no rim of the background is sampled."""
    from .texture import dilate

    opaque = values[..., 3] > 0.9
    if not bool(opaque.any()):
        opaque = values[..., 3] > 0.5
    return dilate(values[..., :3] * opaque[..., None], opaque, 8).movedim(-1, 0)


def _grid(shape: _Shape, steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """u, v (0..1), whether inside, and depth in sides, at the middles of steps x steps cells."""
    at = (torch.arange(steps) + 0.5) / steps
    v, u = torch.meshgrid(at, at, indexing="ij")
    inside = _sample(shape.alpha[None], u, v)[0] > 0.5
    return u, v, inside, _sample(shape.thickness[None], u, v)[0]


def _sample(planes: Tensor, u: Tensor, v: Tensor) -> Tensor:
    at = torch.stack((2 * u - 1, 2 * v - 1), dim=-1)[None]
    return F.grid_sample(planes[None], at, mode="bilinear", padding_mode="border", align_corners=False)[0]


def _all_neighbours(inside: Tensor) -> Tensor:
    padded = F.pad(inside, (1, 1, 1, 1))
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _on_ray(u: Tensor, v: Tensor, depth: Tensor, radius: float, fov_y: float) -> Tensor:
    """Points [N,3] seen at u, v (0..1), `depth` sides of the picture in front of the origin's plane."""
    focal = focal_length(1, fov_y)
    z = depth * radius / focal
    return torch.stack(((u - 0.5) / focal * (radius - z), -(v - 0.5) / focal * (radius - z), z), dim=-1)
