"""Which triangle each pixel shows: a z-buffer in plain torch, for baking and refining textures (docs/methods/gaussians4d.md, 7.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cameras import FOV_Y, focal_length

NEAREST = 0.01


class Seen(NamedTuple):
    """face: [H,W] numbers of faces, -1 where none is. weights: [H,W,3] of their corners."""

    face: Tensor
    weights: Tensor


@torch.no_grad()
def draw_triangles(
    vertices: Tensor, faces: Tensor, view: Tensor, height: int, width: int, fov_y: float = FOV_Y
) -> Seen:
    """The nearest face of each pixel.

    Args:
        vertices: [V,3].
        faces: [F,3].
        view: world to camera [4,4], OpenCV.
        height: px.
        width: px.
        fov_y: degrees.
    """
    place, z = _projected(vertices, view, height, width, fov_y)
    corners, depths = place[faces], z[faces]  # [F,3,2], [F,3]
    limit = torch.tensor([width, height], device=place.device)
    first = (corners.amin(1) - 0.5).ceil().clamp_min(0).minimum(limit).long()
    last = (corners.amax(1) - 0.5).floor().clamp_min(-1).minimum(limit - 1).long() + 1
    size = torch.where((depths > NEAREST).all(1)[:, None], last - first, 0).clamp_min(0)
    counts = size[:, 0] * size[:, 1]
    face = torch.arange(len(faces), device=place.device).repeat_interleave(counts)
    inside = torch.arange(len(face), device=place.device) - (counts.cumsum(0) - counts)[face]
    x, y = first[face, 0] + inside % size[face, 0], first[face, 1] + inside // size[face, 0]
    at = torch.stack((x, y), dim=-1) + 0.5
    flat = _flat_weights(corners[face], at)
    real = (flat >= 0).all(-1)
    face, x, y, flat = face[real], x[real], y[real], flat[real]
    weights = flat / depths[face]
    inverse = weights.sum(-1, keepdim=True)
    weights = weights / inverse
    pixel = y * width + x
    nearest = vertices.new_full((height * width,), -1.0).scatter_reduce(0, pixel, inverse[:, 0], "amax")
    wins = inverse[:, 0] >= nearest[pixel]
    numbers = torch.full((height * width,), -1, dtype=torch.long, device=place.device)
    shares = vertices.new_zeros(height * width, 3)
    numbers[pixel[wins]], shares[pixel[wins]] = face[wins], weights[wins]
    return Seen(numbers.view(height, width), shares.view(height, width, 3))


def corner_weights(
    vertices: Tensor, faces: Tensor, seen: Seen, view: Tensor, height: int, width: int, fov_y: float = FOV_Y
) -> Tensor:
    """The weights [P,3] of the pixels that show a face, again, with their gradient by the vertices.

    Args:
        vertices: [V,3].
        faces: [F,3].
        seen: what `draw_triangles` gave for all that follows.
        view: likewise.
        height: px.
        width: px.
        fov_y: degrees.
    """
    place, z = _projected(vertices, view, height, width, fov_y)
    y, x = (seen.face >= 0).nonzero(as_tuple=True)
    corners = faces[seen.face[y, x]]
    weights = _flat_weights(place[corners], torch.stack((x, y), dim=-1) + 0.5) / z[corners]
    return weights / weights.sum(-1, keepdim=True)


def _projected(vertices: Tensor, view: Tensor, height: int, width: int, fov_y: float) -> tuple[Tensor, Tensor]:
    """Places in the picture [V,2] and depths [V]."""
    seen = vertices @ view[:3, :3].mT + view[:3, 3]
    z = seen[:, 2]
    middle = seen.new_tensor([width / 2, height / 2])
    return focal_length(height, fov_y) * seen[:, :2] / z.clamp_min(NEAREST)[:, None] + middle, z


def _flat_weights(corners: Tensor, at: Tensor) -> Tensor:
    """Barycentric coordinates [P,3] of places [P,2] in triangles [P,3,2] of the picture."""
    a, b, c = corners.unbind(1)
    flat = torch.stack((_cross(b - at, c - at), _cross(c - at, a - at), _cross(a - at, b - at)), dim=-1)
    return flat / flat.sum(-1, keepdim=True)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
