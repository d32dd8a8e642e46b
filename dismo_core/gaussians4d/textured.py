"""A textured mesh as a camera sees it, with gradients of its texture and its vertices (docs/methods/gaussians4d.md, 7.3 and 7.8)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import FOV_Y
from .mesh import Mesh, vertex_normals
from .zbuffer import corner_weights, draw_triangles

FACING = 0.5  # least cosine between the normal and the way to the camera, of pixels that say something of the texture


class Surface(NamedTuple):
    """A mesh on a device. vertices, normals: [V,3]. uv: [V,2], 0..1. faces: [F,3], int64."""

    vertices: Tensor
    normals: Tensor
    uv: Tensor
    faces: Tensor

    @classmethod
    def of(cls, mesh: Mesh, device: torch.device) -> Surface:
        """Of a mesh with texture coordinates."""
        assert mesh.uv is not None
        normals = vertex_normals(mesh.vertices, mesh.faces)
        vertices, turned, uv = (torch.from_numpy(value).to(device) for value in (mesh.vertices, normals, mesh.uv))
        return cls(vertices, turned, uv, torch.from_numpy(mesh.faces).long().to(device))


class Places(NamedTuple):
    """shown: [S,S], the pixels that see the surface. place: [P,2], where in the texture, -1..1 (x, y). facing: [P], cosine of the
    normal and the way to the camera."""

    shown: Tensor
    place: Tensor
    facing: Tensor


def texture_places(surface: Surface, view: Tensor, size: int, fov_y: float = FOV_Y) -> Places:
    """Where in its texture each pixel sees a surface.

    Args:
        surface: where its vertices want a gradient, the places have one.
        view: world to camera [4,4], OpenCV.
        size: px, of both sides.
        fov_y: degrees.
    """
    vertices, normals, uv, faces = surface
    drawn = draw_triangles(vertices, faces, view, size, size, fov_y)
    shown = drawn.face >= 0
    corners, weights = faces[drawn.face[shown]], drawn.weights[shown]
    if vertices.requires_grad:
        weights = corner_weights(vertices, faces, drawn, view, size, size, fov_y)
    place = (uv[corners] * weights[..., None]).sum(1)
    with torch.no_grad():
        point, normal = ((value[corners] * weights[..., None]).sum(1) for value in (vertices, normals))
        camera = -view[:3, :3].mT @ view[:3, 3]
        facing = torch.cosine_similarity(normal, camera - point, dim=-1)
    return Places(shown, place * 2 - 1, facing)


def look_up(texture: Tensor, place: Tensor) -> Tensor:
    """Colors [P,3] of a texture [3,H,W] at places [P,2], bilinear."""
    if not len(place):
        return texture.new_zeros(0, len(texture))
    found = F.grid_sample(texture[None], place[None, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[0, :, 0].mT


def draw_textured(texture: Tensor, places: Places) -> Tensor:
    """A picture [3,S,S] on white of what `texture_places` found."""
    white = texture.new_ones(*places.shown.shape, 3)
    return white.index_put((places.shown,), look_up(texture, places.place)).movedim(-1, 0)
