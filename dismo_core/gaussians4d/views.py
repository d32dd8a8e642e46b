"""A 4D model seen by a camera that stands or moves (docs/methods/gaussians4d.md, 7.6)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DisMoError
from ..video.alpha import background_rgb
from .cameras import orbit_views, preview_plan
from .model4d import Gaussians4D
from .rasterizer import rasterize

CAMERAS = ("swing", "turntable", "still", "published")
SWING = 40.0  # degrees to each side


@dataclass(frozen=True)
class Shot:
    """One picture. time: frame number of the model. azimuth, elevation: degrees; here a positive elevation is above."""

    time: float
    azimuth: float
    elevation: float = 0.0


def plan(camera: str, frames: int, count: int = 0, azimuth: float = 0.0, elevation: float = 0.0) -> list[Shot]:
    """The pictures of a video.

    Args:
        camera: "still", "swing" (to both sides and back), "turntable" (once around) or "published".
        frames: T of the model; its clip is played again and again.
        count: pictures; 0 = one, two or four times the clip, by the camera.
        azimuth: where the camera begins, degrees.
        elevation: degrees, positive is above.

    Raises:
        DisMoError: no such camera, or a count below 0.
    """
    if camera not in CAMERAS:
        raise DisMoError(f"camera is one of {', '.join(CAMERAS)}, not {camera!r}.")
    if count < 0:
        raise DisMoError(f"The number of frames must be 0 (by the camera) or more, not {count}.")
    if camera == "published":
        shots = [Shot(frame, azimuth + turn, elevation) for frame, turn in preview_plan(frames)]
        return shots[:count] if count else shots
    count = count or frames * {"still": 1, "swing": 2, "turntable": 4}[camera]
    shares = [k / count for k in range(count)]
    turns = {
        "still": [0.0] * count,
        "swing": [SWING * math.sin(2 * math.pi * share) for share in shares],
        "turntable": [360 * share for share in shares],
    }[camera]
    return [Shot(k % frames, azimuth + turn, elevation) for k, turn in enumerate(turns)]


@torch.no_grad()
def render(
    four: Gaussians4D,
    shots: list[Shot],
    height: int = 512,
    width: int = 512,
    *,
    distance: float = 1.0,
    background: str = "white",
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pictures one by one.

    Args:
        four: the model, on the device that draws.
        shots: what to draw.
        height: px.
        width: px.
        distance: of the camera, times the model's radius.
        background: name of a color, or "#rrggbb".

    Yields:
        RGB [H,W,3], alpha [H,W,1] and depth [H,W,1] (distance of what is seen, 0 where nothing is), float, on the CPU.
    """
    behind = torch.tensor(background_rgb(background)) / 255
    for shot in shots:
        view = orbit_views([-shot.elevation], [shot.azimuth], [distance * four.radius]).to(four.gaussians.means)
        drawn = four.at(shot.time).activated()
        raster = rasterize(*drawn, view, height, width, four.fov_y, behind.to(view))
        alpha = raster.alpha[0].movedim(0, -1)
        depth = raster.depth[0].movedim(0, -1) / alpha.clamp_min(1e-6)
        depth = torch.where(alpha > 0.5, depth, torch.zeros_like(depth))
        yield raster.image[0].clamp(0, 1).movedim(0, -1).cpu(), alpha.cpu(), depth.cpu()
