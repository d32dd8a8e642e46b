"""Pictures of a body: an unlit mesh with one color a vertex (docs/methods/mimo.md, 7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DisMoError

FOCAL = 5000 / 256  # of the longer side of the picture
NEAREST = 1e-3  # in front of the camera; faces that reach nearer are left out
SAMPLES = 2  # a pixel along each side: four in all
_FACES_AT_ONCE = 4096
_NEIGHBORS_AT_ONCE = 1 << 24  # distances


def default_focal(width: int, height: int) -> float:
    """The focal length of the release's body pictures, px: 5000 / 256 of the longer side."""
    return FOCAL * max(width, height)


def render_body(
    vertices: Any,
    faces: Any,
    colours: Any,
    *,
    focal: float,
    width: int,
    height: int,
) -> NDArray[np.uint8]:
    """The mesh on black, seen by a camera at the origin that looks along z, y down, with the principal point in the middle.

    A vertex (x, y, z) comes to (focal x / z + width / 2, focal y / z + height / 2). Of the faces at a sample the nearest one shows;
    colors are interpolated over a face as they lie in space. Four samples a pixel.

    Args:
        vertices: float [V, 3], z > 0 in front of the camera.
        faces: int [N, 3].
        colours: [V, 3], uint8 or float in 0..1.
        focal: px, see `default_focal`.
        width: of the picture, px.
        height: likewise.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DisMoError: shapes or numbers that cannot be.
    """
    points = torch.as_tensor(np.asarray(vertices), dtype=torch.float64)
    corners = torch.as_tensor(np.asarray(faces)).long()
    paints = np.asarray(colours)
    colors = torch.as_tensor(paints, dtype=torch.float64) * (1.0 if paints.dtype == np.uint8 else 255.0)
    _check(points, corners, colors, focal, width, height)
    columns, rows = width * SAMPLES, height * SAMPLES
    depth = points[:, 2].clamp_min(NEAREST)
    places = SAMPLES * (focal * points[:, :2] / depth[:, None] + torch.tensor([width / 2, height / 2]).double())
    corners = corners[(points[corners][..., 2] > NEAREST).all(1)]
    nearest = torch.full((rows * columns,), torch.inf, dtype=torch.float64)
    picture = torch.zeros(rows * columns, 3, dtype=torch.float64)
    for begin in range(0, len(corners), _FACES_AT_ONCE):
        some = corners[begin : begin + _FACES_AT_ONCE]
        pixel, face, weight = _covered(places[some], rows, columns)
        across = weight / depth[some][face]  # linear in the picture: weight over depth
        z = 1 / across.sum(1)
        paint = (across[..., None] * colors[some][face]).sum(1) * z[:, None]
        # the nearest of these faces at each sample, then against those before
        best = torch.full_like(nearest, torch.inf).scatter_reduce(0, pixel, z, "amin")
        front = (z == best[pixel]) & (z < nearest[pixel])
        picture[pixel[front]] = paint[front]
        nearest[pixel[front]] = z[front]
    samples = picture.view(height, SAMPLES, width, SAMPLES, 3)
    return samples.mean((1, 3)).round().clamp(0, 255).to(torch.uint8).numpy()


def without_hidden_hands(faces: Any, hand: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """The faces but those whose three corners all belong to a hand that is not seen.

    Args:
        faces: int [N, 3].
        hand: numbers of the hand's vertices.
    """
    corners = np.asarray(faces, np.int64)
    kept: NDArray[np.int64] = corners[~np.isin(corners, np.asarray(hand)).all(1)]
    return kept


def transfer_colours(source_vertices: Any, colours: Any, target_vertices: Any) -> NDArray[Any]:
    """Colors of one mesh on another in the same pose: each vertex takes those of the nearest one.

    Args:
        source_vertices: [V, 3].
        colours: [V, 3], any type.
        target_vertices: [U, 3].

    Returns:
        [U, 3], of the type given.
    """
    source, target = (torch.as_tensor(np.asarray(x), dtype=torch.float32) for x in (source_vertices, target_vertices))
    paints = np.asarray(colours)
    if source.ndim != 2 or target.ndim != 2 or len(paints) != len(source) or not len(source):
        raise DisMoError(
            f"Meshes must be [V, 3] and colors one a vertex, not {list(source.shape)}, {list(target.shape)} and {list(paints.shape)}."
        )
    nearest = [torch.cdist(part, source).argmin(1) for part in target.split(max(1, _NEIGHBORS_AT_ONCE // len(source)))]
    taken: NDArray[Any] = paints[torch.cat(nearest).numpy()]
    return taken


def _covered(triangles: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Samples inside triangles [n, 3, 2]: number of the sample, number of the triangle, barycentric weights [., 3]."""
    low = (triangles.min(1).values - 0.5).ceil().clamp(min=0)
    high = (triangles.max(1).values - 0.5).floor()
    high = torch.minimum(high, torch.tensor([columns - 1, rows - 1]).double())
    size = (high - low + 1).clamp(min=0).long()
    count = size[:, 0] * size[:, 1]
    face = torch.repeat_interleave(torch.arange(len(triangles)), count)
    within = torch.arange(len(face)) - torch.repeat_interleave(count.cumsum(0) - count, count)
    x = low[face, 0] + within % size[face, 0].clamp(min=1)
    y = low[face, 1] + within // size[face, 0].clamp(min=1)
    a, b, c = triangles[face].unbind(1)
    px, py = x + 0.5, y + 0.5

    def area(p: Tensor, q: Tensor) -> Tensor:
        return (q[:, 0] - p[:, 0]) * (py - p[:, 1]) - (q[:, 1] - p[:, 1]) * (px - p[:, 0])

    parts = torch.stack((area(b, c), area(c, a), area(a, b)), 1)
    whole = parts.sum(1)
    weight = parts / torch.where(whole == 0, torch.ones_like(whole), whole)[:, None]
    inside = (weight >= 0).all(1) & (whole != 0)
    pixel = (y * columns + x).long()
    return pixel[inside], face[inside], weight[inside]


def _check(points: Tensor, corners: Tensor, colors: Tensor, focal: float, width: int, height: int) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or corners.ndim != 2 or corners.shape[1] != 3:
        raise DisMoError(
            f"A mesh has vertices [V, 3] and faces [N, 3], not {list(points.shape)} and {list(corners.shape)}."
        )
    if colors.shape != points.shape:
        raise DisMoError(
            f"There are {list(points.shape)} vertices and {list(colors.shape)} colors. Give one color a vertex."
        )
    if len(corners) and not (0 <= int(corners.min()) and int(corners.max()) < len(points)):
        raise DisMoError(f"A face names vertex {int(corners.max())}, and there are {len(points)}. The mesh is damaged.")
    if not bool(points.isfinite().all()):
        raise DisMoError("The vertices hold NaN or infinite values. The body model went wrong in this frame.")
    if focal <= 0 or width < 1 or height < 1:
        raise DisMoError(f"focal, width and height must be above 0, not {focal}, {width} and {height}.")
