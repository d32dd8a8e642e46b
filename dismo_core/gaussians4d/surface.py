"""A mesh from any Gaussians: surface, texture coordinates, baked colors (docs/methods/gaussians4d.md, 7.2 and 7.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DisMoError
from ..imports import importing
from .cameras import BAKE_VIEWS, FOV_Y, orbit_views
from .density import density_grid, extract_surface
from .gaussians import Gaussians
from .mesh import Mesh, vertex_normals
from .rasterizer import rasterize
from .texture import dilate, splat_texture
from .textured import FACING, Surface, texture_places

VIEW_SIZE = 512
TAKEN = 0.1  # weight from which a texel is done
LEAST_DIAGONAL, LEAST_FACES = 0.2, 64  # of a component that is kept
MOST_FACES = 20_000  # published: 100,000; unwrapping those takes minutes
MOST_UNWRAPPED = 1_000_000


def extract_mesh(
    gaussians: Gaussians,
    resolution: int = 128,
    threshold: float = 0.5,
    texture: int = 1024,
    *,
    most_faces: int = MOST_FACES,
    radius: float = 1.5,
    fov_y: float = FOV_Y,
) -> Mesh:
    """The surface of Gaussians with a texture.

    Args:
        gaussians: of one moment.
        resolution: of the density grid, a multiple of 16.
        threshold: of the density.
        texture: side of the texture, px.
        most_faces: beyond it the mesh is made simpler.
        radius: distance of the cameras that the texture is baked from.
        fov_y: of them, degrees.

    Raises:
        DisMoError: no surface at that threshold, a size that cannot be, or a library of the extra `4d` is missing.
    """
    if not 64 <= texture <= 8192:
        raise DisMoError(f"The side of a texture must be 64 to 8192 px, not {texture}.")
    vertices, faces = extract_surface(density_grid(gaussians, resolution), threshold)
    vertices, faces = clean(vertices, faces, most_faces)
    vertices, faces, uv = unwrap(vertices, faces)
    mesh = Mesh(vertices, faces, vertex_normals(vertices, faces), uv)
    return Mesh(vertices, faces, mesh.normals, uv, bake(mesh, gaussians, texture, radius, fov_y))


def clean(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], most_faces: int = MOST_FACES
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Without small loose pieces, with at most so many faces.

    Raises:
        DisMoError: nothing is left.
    """
    with importing("trimesh"):
        import trimesh
    with importing("fast-simplification"):
        import fast_simplification
    whole: Any = trimesh.Trimesh(vertices, faces, process=True)
    diagonal = float(np.linalg.norm(np.ptp(whole.vertices, axis=0)))
    kept = [
        part
        for part in whole.split(only_watertight=False)
        if len(part.faces) >= LEAST_FACES and np.linalg.norm(np.ptp(part.vertices, axis=0)) >= LEAST_DIAGONAL * diagonal
    ]
    if not kept:
        raise DisMoError(
            f"The surface is {len(faces)} faces in small pieces only; each has fewer than {LEAST_FACES} faces or is below a fifth of "
            "the whole. Choose a lower threshold."
        )
    joined: Any = trimesh.util.concatenate(kept)
    points, triangles = np.asarray(joined.vertices, np.float32), np.asarray(joined.faces, np.int32)
    if len(triangles) > most_faces:
        points, triangles = fast_simplification.simplify(points, triangles, target_count=most_faces)
    return points.astype(np.float32), triangles.astype(np.int32)


def unwrap(
    vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Vertices (some twice, along the seams), faces and texture coordinates 0..1.

    Raises:
        DisMoError: more faces than can be unwrapped in a sensible time.
    """
    if len(faces) > MOST_UNWRAPPED:
        raise DisMoError(
            f"The mesh has {len(faces):,} faces; at most {MOST_UNWRAPPED:,} are unwrapped. Make it simpler first."
        )
    with importing("xatlas"):
        import xatlas
    source, triangles, uv = xatlas.parametrize(vertices, faces.astype(np.uint32))
    return vertices[source], triangles.astype(np.int32), np.asarray(uv, np.float32)


@torch.no_grad()
def bake(
    mesh: Mesh, gaussians: Gaussians, size: int = 1024, radius: float = 1.5, fov_y: float = FOV_Y
) -> NDArray[np.float32]:
    """The texture [size,size,3] of a mesh with texture coordinates, from pictures of the Gaussians of the same moment.

    Args:
        mesh: with uv.
        gaussians: whose colors are taken.
        size: of the texture, px.
        radius: distance of the cameras.
        fov_y: of them, degrees.
    """
    device = gaussians.means.device
    surface = Surface.of(mesh, device)
    total = torch.zeros(size, size, 3, device=device)
    count = torch.zeros(size, size, 1, device=device)
    for elevation, azimuth in BAKE_VIEWS:
        view = orbit_views([elevation], [azimuth], [radius]).to(device)
        colors = rasterize(*gaussians.activated(), view, VIEW_SIZE, VIEW_SIZE, fov_y).image[0].clamp(0, 1)
        seen = texture_places(surface, view[0], VIEW_SIZE, fov_y)
        good = seen.facing > FACING
        if not bool(good.any()):
            continue
        rows_and_columns, samples = seen.place[good].flip(-1), colors.movedim(0, -1)[seen.shown][good]
        added, weight = splat_texture(size, size, rows_and_columns, samples, min(256, size // 4))
        new = count[..., 0] < TAKEN
        total[new] += added[new]
        count[new] += weight[new]
    filled = count[..., 0] > 0
    return dilate(total / count.clamp_min(1e-8), filled).clamp(0, 1).cpu().numpy()
