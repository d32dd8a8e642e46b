"""Cameras on a sphere around the origin, and what networks are told of them (docs/methods/gaussians4d.md, 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import DisMoError

FOV_Y = 49.1  # degrees, of every camera of the published pipeline
# (elevation, azimuth) of the pictures from which a texture is baked, in this order
BAKE_VIEWS = [(e, a) for e in (0.0, -45.0, 45.0) for a in (0.0, 45.0, -45.0, 90.0, -90.0, 135.0, -135.0, 180.0)] + [
    (-89.9, 0.0),
    (89.9, 0.0),
]
STOPS = 8  # of the preview video


def orbit_pose(elevation: float, azimuth: float, radius: float) -> Tensor:
    """The camera that looks at the origin, y up: camera to world, OpenGL convention (it looks along its -z), float32 [4,4].

    Args:
        elevation: degrees, -90 to 90 without the ends; positive is below, looking up, as published.
        azimuth: degrees; 0 is in front (+z), 90 on the right (+x).
        radius: distance from the origin.

    Raises:
        DisMoError: an elevation at a pole, or no distance.
    """
    if not -90 < elevation < 90:
        raise DisMoError(
            f"The elevation of a camera must lie between -90 and 90 degrees, not {elevation:g}. Use 89.9 for a view from the pole."
        )
    if not (radius > 0 and math.isfinite(radius)):
        raise DisMoError(f"The distance of a camera must be above 0, not {radius:g}. The published ones are 1.5 and 2.")
    e, a = math.radians(elevation), math.radians(azimuth)
    away = torch.tensor([math.cos(e) * math.sin(a), -math.sin(e), math.cos(e) * math.cos(a)], dtype=torch.float64)
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), away)
    right = right / right.norm()
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3] = torch.stack((right, torch.linalg.cross(away, right), away, radius * away), dim=1)
    return pose.float()


def world_to_view(pose: Tensor) -> Tensor:
    """World to camera in OpenCV convention (x right, y down, z forward) of a pose [...,4,4]."""
    flip = pose.new_tensor([1.0, -1.0, -1.0, 1.0])
    rotation = pose[..., :3, :3].mT
    view = torch.zeros_like(pose)
    view[..., :3, :3] = rotation
    view[..., :3, 3:] = -rotation @ pose[..., :3, 3:]
    view[..., 3, 3] = 1
    return flip[:, None] * view


def orbit_views(elevations: list[float], azimuths: list[float], radii: list[float]) -> Tensor:
    """World to camera of several orbit cameras, float32 [V,4,4]."""
    poses = [orbit_pose(*angles) for angles in zip(elevations, azimuths, radii, strict=True)]
    return world_to_view(torch.stack(poses))


def focal_length(height: int, fov_y: float = FOV_Y) -> float:
    """In pixels; the same for both axes."""
    return height / (2 * math.tan(math.radians(fov_y) / 2))


def project_points(points: Tensor, view: Tensor, height: int, width: int, fov_y: float = FOV_Y) -> Tensor:
    """Where points are seen.

    Args:
        points: [N,3].
        view: world to camera [4,4].
        height: of the picture, px.
        width: of the picture, px.
        fov_y: vertical field of view, degrees.

    Returns:
        [N,2], x and y in pixels from the top left corner; the first pixel's center is at 0.5.
    """
    seen = points @ view[:3, :3].mT + view[:3, 3]
    center = seen.new_tensor([width / 2, height / 2])
    return focal_length(height, fov_y) * seen[:, :2] / seen[:, 2:] + center


def perspective(height: int, width: int, fov_y: float = FOV_Y, near: float = 0.01, far: float = 100.0) -> Tensor:
    """OpenGL projection of a mesh with y down in the picture, float32 [4,4]."""
    t = math.tan(math.radians(fov_y) / 2)
    return torch.tensor(
        [
            [height / (t * width), 0, 0, 0],
            [0, -1 / t, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )


def plucker_rays(poses: Tensor, size: int, fov_y: float = FOV_Y) -> Tensor:
    """Rays of all pixels in Pluecker coordinates: (o x d, d) with unit direction d through the pixel's center.

    Args:
        poses: camera to world [V,4,4].
        size: side of the square pictures, px.
        fov_y: field of view, degrees.

    Returns:
        [V,6,size,size].
    """
    at = (torch.arange(size, dtype=poses.dtype, device=poses.device) + 0.5 - size / 2) / focal_length(size, fov_y)
    y, x = torch.meshgrid(-at, at, indexing="ij")
    local = torch.stack((x, y, -torch.ones_like(x)), dim=-1)
    direction = torch.einsum("vij,hwj->vhwi", poses[:, :3, :3], local)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    origin = poses[:, None, None, :3, 3].expand_as(direction)
    return torch.cat((torch.linalg.cross(origin, direction), direction), dim=-1).movedim(-1, 1)


def multiview_cameras(views: int = 4, elevation: float = 0, extra_view: bool = True) -> Tensor:
    """What the multi-view network is told: camera to world at distance 1, flattened, in Blender's axes (z up).

    Args:
        views: evenly around the origin.
        elevation: degrees, as of `orbit_pose`.
        extra_view: append a row of zeros for the view that carries the input picture.

    Returns:
        float32 [views (+1), 16].
    """
    poses = torch.stack([orbit_pose(elevation, 360 * k / views, 1.0) for k in range(views)])
    swap = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    rows = (swap @ poses).flatten(1)
    return torch.cat((rows, torch.zeros(1, 16))) if extra_view else rows


def zero123_camera(
    elevation: Tensor, azimuth: Tensor, radius: Tensor, kind: str = "stable", base_elevation: float = 0
) -> Tensor:
    """Four numbers that tell zero123 how a view lies to the input view.

    Args:
        elevation: [B], offset in degrees.
        azimuth: [B], offset in degrees.
        radius: [B], offset of the distance.
        kind: "stable" (last number: polar angle of the input view) or "xl" (last number: the radius offset).
        base_elevation: of the input view, degrees.

    Returns:
        [B,4]: elevation in radians, sine and cosine of the azimuth, the last number.
    """
    check_kind(kind)
    e, a = elevation.deg2rad(), azimuth.deg2rad()
    last = radius if kind == "xl" else torch.full_like(e, math.radians(90 + base_elevation))
    return torch.stack((e, a.sin(), a.cos(), last), dim=-1)


def check_kind(kind: str) -> None:
    """Raise unless there is such a zero123."""
    if kind not in ("stable", "xl"):
        raise DisMoError(f"The kind of a zero123 is 'stable' or 'xl', not {kind!r}.")


def preview_plan(frames: int) -> list[tuple[int, int]]:
    """(frame, azimuth in degrees) of each picture of the published preview: at each of 8 stops the clip plays, then the camera turns on."""
    return [(j % frames, 45 * stop + 3 * max(0, j - frames)) for stop in range(STOPS) for j in range(frames + 15)]
