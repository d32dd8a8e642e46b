"""Gaussians of one moment, and from where they are seen as in the clip."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from ..errors import DisMoError
from .align import aligned
from .cameras import FOV_Y
from .clip import Clip4D
from .gaussians import Gaussians
from .inflate import inflate_mesh, inflate_silhouette
from .mesh import Mesh
from .ply import read_ply, read_ply_comments, write_ply

RADIUS = 1.5  # of files that do not say it
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class PosedGaussians:
    """Gaussians at rest.

    Args:
        gaussians: at rest.
        radius: distance of the camera of the known view.
        fov_y: its field of view, degrees.
        frame: of the clip in which they look so.
        surface: a mesh where they are, or None.
        thickness: with which the outline of that frame was blown up; None where they come from elsewhere.
    """

    gaussians: Gaussians
    radius: float = RADIUS
    fov_y: float = FOV_Y
    frame: int = 0
    surface: Mesh | None = None
    thickness: float | None = None

    def with_surface(self, clip: Clip4D) -> PosedGaussians:
        """With the mesh of an outline that was blown up, where it was."""
        if self.thickness is None:
            return self
        mesh = inflate_mesh(clip.rgba[self.frame], self.radius, thickness=self.thickness)
        return replace(self, surface=mesh)

    def looking_like(self, clip: Clip4D, frame: int = 0) -> PosedGaussians:
        """Turned, moved and scaled until they look as a frame of a clip, where they do not yet."""
        made = aligned(self.gaussians, clip, frame, self.radius, self.fov_y)
        if made is self.gaussians:
            return replace(self, frame=frame).with_surface(clip)
        return PosedGaussians(made, self.radius, self.fov_y, frame)


def inflated(clip: Clip4D, frame: int = 0, count: int = 1500, thickness: float = 0.7) -> PosedGaussians:
    """The outline of a frame, blown up, with its mesh.

    Raises:
        DisMoError: no such frame; as `inflate_silhouette`.
    """
    if not 0 <= frame < len(clip.rgba):
        raise DisMoError(f"frame must be 0 to {len(clip.rgba) - 1}, the frames of the clip, not {frame}.")
    gaussians = inflate_silhouette(clip.rgba[frame], count, RADIUS, thickness=thickness)
    return PosedGaussians(gaussians, frame=frame, thickness=thickness).with_surface(clip)


def read_posed(path: str | os.PathLike[str]) -> PosedGaussians:
    """Read a PLY; what this software knew of the camera stands in the header of its own.

    Raises:
        DisMoError: as `read_ply`.
    """
    said = read_ply_comments(path)
    radius, fov_y, thickness = (_number(said.get(key)) for key in ("radius", "fovy", "inflated"))
    return PosedGaussians(read_ply(path), radius or RADIUS, fov_y or FOV_Y, thickness=thickness)


def write_posed(path: str | os.PathLike[str], posed: PosedGaussians, *, overwrite: bool = False) -> None:
    """Write a PLY that says from where it is seen."""
    comments = {"radius": f"{posed.radius:g}", "fovy": f"{posed.fov_y:g}"}
    if posed.thickness is not None:
        comments["inflated"] = f"{posed.thickness:g}"
    write_ply(path, posed.gaussians, comments=comments, overwrite=overwrite)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and _NUMBER.fullmatch(text) else None
