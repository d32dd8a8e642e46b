"""The surface of a 4D model at each of its frames (docs/methods/gaussians4d.md, 7.2 to 7.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .cameras import FOV_Y
from .mesh import Mesh, vertex_normals
from .model4d import Gaussians4D
from .morph_glb import moved_vertices
from .surface import extract_mesh


@dataclass(frozen=True)
class MovingMesh:
    """Meshes of all frames.

    Args:
        frames: T meshes.
        rest: the one that they are moved from, with one texture; None where each frame has a mesh of its own.
        radius: distance of the known view's camera.
        fov_y: its field of view, degrees.
    """

    frames: list[Mesh]
    rest: Mesh | None = None
    radius: float = 1.5
    fov_y: float = FOV_Y


def moving_mesh(
    four: Gaussians4D,
    *,
    per_frame: bool = False,
    new: bool = False,
    resolution: int = 128,
    threshold: float = 0.5,
    texture: int = 1024,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MovingMesh:
    """The surface of a model.

    Args:
        four: the model.
        per_frame: extract a surface for each frame, as published; else one surface moves.
        new: extract that one from the Gaussians also where the model has one of its own.
        resolution: of the density grid, for extracting.
        threshold: of the density.
        texture: side of the texture, px.
        progress: called as (done, total) after each surface that is extracted.

    Raises:
        DisMoError: no surface, or a library of the extra `4d` is missing.
    """

    def extracted(number: int | None) -> Mesh:
        with torch.no_grad():
            gaussians = four.gaussians if number is None else four.at(number)
            return extract_mesh(gaussians, resolution, threshold, texture, radius=four.radius, fov_y=four.fov_y)

    if per_frame:
        meshes = []
        for number in range(four.frames):
            meshes.append(extracted(number))
            progress(number + 1, four.frames)
        return MovingMesh(meshes, None, four.radius, four.fov_y)
    rest = four.surface
    if rest is None or new:
        rest = extracted(None)
        progress(1, 1)
    places = moved_vertices(four, rest)
    frames = [replace(rest, vertices=place, normals=vertex_normals(place, rest.faces)) for place in places]
    return MovingMesh(frames, rest, four.radius, four.fov_y)
