"""A 4D model as a sequence of files, one a moment, and such meshes read again (docs/methods/gaussians4d.md, 7.1 and 7.8)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..errors import DisMoError
from ..files import atomic_folder
from .cameras import FOV_Y
from .choices import ENDS
from .mesh import Mesh, read_mesh, write_mesh
from .model4d import Gaussians4D
from .moving_mesh import MovingMesh
from .ply import write_ply

Progress = Callable[[int, int], None]


def moments(frames: int, factor: int = 4, end: str = "clamp") -> list[float]:
    """Times 0, 1 / factor .. up to below `frames`.

    Args:
        frames: T of the model.
        factor: files a frame.
        end: what comes after the last frame, T - 1: "clamp" stays there, "loop" goes back to the first, "extrapolate" asks the
            model for times it was never fitted to, as published.

    Raises:
        DisMoError: no such end, or a factor below 1.
    """
    if end not in ENDS:
        raise DisMoError(f"end is one of {', '.join(ENDS)}, not {end!r}.")
    if not 1 <= factor <= 64:
        raise DisMoError(f"factor must be 1 to 64 files a frame, not {factor}.")
    times = [k / factor for k in range(frames * factor)]
    if end == "clamp":
        return [min(time, frames - 1.0) for time in times]
    if end == "loop":  # within the last frame's time back through the whole clip would be a jump: a straight way back
        return [time if time <= frames - 1 else (frames - time) * (frames - 1) for time in times]
    return times


@torch.no_grad()
def write_ply_sequence(
    folder: str | os.PathLike[str],
    four: Gaussians4D,
    factor: int = 4,
    end: str = "clamp",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write 000.ply, 001.ply ...; play them at `factor` times the model's fps. Returns how many.

    Args:
        folder: to make; it appears once it is whole.
        four: the model.
        factor: see `moments`.
        end: likewise.
        overwrite: replace a folder.
        progress: called as (done, total).
    """
    times = moments(four.frames, factor, end)
    check_folder(folder, overwrite=overwrite)
    with atomic_folder(folder) as temporary:
        for number, time in enumerate(times):
            write_ply(temporary / f"{number:03d}.ply", four.at(time))
            if progress is not None:
                progress(number + 1, len(times))
    return len(times)


def write_mesh_sequence(
    folder: str | os.PathLike[str],
    moving: MovingMesh,
    kind: str = "obj",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write a mesh for each frame, 000.obj or 000.glb ...; returns how many.

    Args:
        folder: to make; it appears once it is whole.
        moving: the meshes.
        kind: "obj" or "glb".
        overwrite: replace a folder.
        progress: called as (done, total).

    Raises:
        DisMoError: another kind, or a folder that holds something else.
    """
    if kind not in ("obj", "glb"):
        raise DisMoError(f"A mesh sequence is of obj or glb files, not {kind!r}.")
    check_folder(folder, overwrite=overwrite)
    with atomic_folder(folder) as temporary:
        for number, mesh in enumerate(moving.frames):
            write_mesh(temporary / f"{number:03d}.{kind}", mesh)
            if progress is not None:
                progress(number + 1, len(moving.frames))
    return len(moving.frames)


def read_mesh_sequence(folder: str | os.PathLike[str], radius: float = 1.5, fov_y: float = FOV_Y) -> MovingMesh:
    """Read 000.obj, 001.obj ... (or .glb). Meshes of equal faces, texture coordinates and texture are taken for one that moves.

    Args:
        folder: as `write_mesh_sequence` writes it.
        radius: distance of the known view's camera; the files do not say it.
        fov_y: likewise.

    Raises:
        DisMoError: no folder, no meshes, or a number that is missing.
    """
    path = Path(folder)
    numbered = {
        int(file.stem): file
        for kind in ("glb", "obj")
        for file in (path.glob(f"*.{kind}") if path.is_dir() else ())
        if file.stem.isdigit()
    }
    if not numbered:
        raise DisMoError(f"{path} holds no meshes 000.obj, 001.obj ... Give a folder of meshes, one for each frame.")
    missing = [number for number in range(max(numbered)) if number not in numbered]
    if missing:
        raise DisMoError(
            f"Mesh {missing[0]} is missing in {path}: there are {min(numbered)} to {max(numbered)}. Add it, or renumber them from 0."
        )
    frames = [read_mesh(numbered[number]) for number in sorted(numbered)]
    one = all(_same_surface(mesh, frames[0]) for mesh in frames[1:])
    return MovingMesh(frames, frames[0] if one else None, radius, fov_y)


def _same_surface(a: Mesh, b: Mesh) -> bool:
    pairs = ((getattr(a, name), getattr(b, name)) for name in ("faces", "uv", "texture"))
    return all(x is not None and y is not None and np.array_equal(x, y) for x, y in pairs)


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise where a sequence would replace something."""
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise DisMoError(f"{path} is a file, not a folder. Choose another name.")
    if path.is_dir() and any(path.iterdir()):
        others = [
            entry.name for entry in path.iterdir() if entry.suffix not in (".ply", ".obj", ".glb", ".mtl", ".png")
        ]
        if others:
            raise DisMoError(
                f"The folder {path} holds {others[0]}, which is no file of a sequence. Choose another folder."
            )
        if not overwrite:
            raise DisMoError(f"The folder {path} holds files already. Choose another folder.", hint="overwrite")
