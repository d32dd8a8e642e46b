"""A moving object: Gaussians at rest, and a field that says how they move (docs/methods/gaussians4d.md, 5)."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write, save_pickled, save_tensors
from ..weights.files import differences, read_weights
from .cameras import FOV_Y
from .field import HexPlaneDeformation
from .gaussians import Gaussians
from .mesh import Mesh
from .ply import read_ply, write_ply

FORMAT = "dismo-4d"
_FIELD = "field."
_SURFACE = ("vertices", "faces", "normals", "uv", "texture")


def time_code(frame: float, frames: int) -> float:
    """-1 at frame 0; below 1 at the last of `frames`."""
    return 2 * (frame / frames) - 1


@dataclass
class Gaussians4D:
    """A 4D model.

    Args:
        gaussians: at rest.
        field: their motion.
        frames: T, how many frames of a clip it was fitted to.
        fps: frames per second of that clip.
        radius: distance of the camera of the known view.
        fov_y: its field of view, degrees.
        surface: a mesh where the Gaussians are at rest, or None; it moves with them.
    """

    gaussians: Gaussians
    field: HexPlaneDeformation
    frames: int
    fps: float = 7.0
    radius: float = 1.5
    fov_y: float = FOV_Y
    surface: Mesh | None = None

    def at(self, time: float) -> Gaussians:
        """The Gaussians at a frame number, whole or not; sums of raw parameters, quaternions of any length. Opacity stays."""
        g = self.gaussians
        tau = torch.full_like(g.means[:, 0], time_code(time, self.frames))
        position, scale, rotation, _ = self.field(g.means, tau)
        return replace(
            g,
            means=g.means + position,
            log_scales=g.log_scales + scale,
            quaternions=g.quaternions + rotation,
        )

    def at_frames(self, frames: Tensor) -> Gaussians:
        """Of several frame numbers [F]: tensors [F*N,.], frame after frame, by one call of the field."""
        g = self.gaussians
        tau = (2 * (frames / self.frames) - 1).repeat_interleave(len(g))
        position, scale, rotation, _ = self.field(g.means.repeat(len(frames), 1), tau)
        every = {name: value.repeat(len(frames), *[1] * (value.ndim - 1)) for name, value in g.tensors().items()}
        every["means"] = every["means"] + position
        every["log_scales"] = every["log_scales"] + scale
        every["quaternions"] = every["quaternions"] + rotation
        return Gaussians(**every)

    def to(self, device: torch.device | str) -> Gaussians4D:
        """A copy on a device."""
        return replace(self, gaussians=self.gaussians.to(device), field=copy.deepcopy(self.field).to(device))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write one safetensors file."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.gaussians.tensors().items()}
        tensors |= {_FIELD + name: value.cpu().contiguous() for name, value in self.field.state_dict().items()}
        for name in _SURFACE if self.surface is not None else ():
            if (values := getattr(self.surface, name)) is not None:
                tensors[f"surface.{name}"] = torch.from_numpy(values)
        about = {"frames": self.frames, "fps": self.fps, "radius": self.radius, "fov_y": self.fov_y}
        # one entry: the library writes several in any order, and equal models are to be equal files
        metadata = {FORMAT: json.dumps({"version": 1, "field": self.field.geometry} | about)}
        with atomic_write(path, overwrite=overwrite) as temporary:
            save_tensors(tensors, temporary, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Gaussians4D:
        """Read what `save` wrote.

        Raises:
            DisMoError: missing, damaged, or another kind of file.
        """
        file = read_weights(path)
        if FORMAT not in file.metadata:
            raise DisMoError(
                f"{path} is not a 4D model of this software, which `Gaussians4D.save` writes. Choose another file."
            )
        try:
            about: dict[str, Any] = json.loads(file.metadata[FORMAT])
            field = HexPlaneDeformation(**about["field"])
            numbers = {key: float(about[key]) for key in ("fps", "radius", "fov_y")}
            frames = int(about["frames"])
            gaussians = Gaussians(**{k: v for k, v in file.tensors.items() if "." not in k})
            parts = {k.removeprefix("surface."): v.numpy() for k, v in file.tensors.items() if k.startswith("surface.")}
            surface = Mesh(**parts) if parts else None
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DisMoError(f"{path} is damaged ({type(error).__name__}: {error}). Make it again.") from error
        tensors = {k.removeprefix(_FIELD): v for k, v in file.tensors.items() if k.startswith(_FIELD)}
        if problem := differences(field.state_dict(), tensors):
            raise DisMoError(f"The field in {path} does not fit its description. {problem}. The file is damaged.")
        field.load_state_dict(tensors)
        if frames < 1 or not all(value > 0 for value in numbers.values()):
            raise DisMoError(f"{path} gives {frames} frames and {numbers}; all must be above 0. The file is damaged.")
        return cls(gaussians, field.requires_grad_(False), frames, **numbers, surface=surface)

    def save_released(self, folder: str | os.PathLike[str], name: str, *, overwrite: bool = False) -> list[Path]:
        """Write the published files: `<name>_4d_model.ply`, `<name>_deformation.pth` and its two tables."""
        base = Path(folder)
        ply = base / f"{name}_4d_model.ply"
        write_ply(ply, self.gaussians, overwrite=overwrite)
        n = len(self.gaussians)
        written = [ply]
        for ending, content in (
            ("deformation", {key: value.cpu() for key, value in self.field.state_dict().items()}),
            ("deformation_table", torch.ones(n, dtype=torch.bool)),
            ("deformation_accum", torch.zeros(n, 3)),
        ):
            path = base / f"{name}_{ending}.pth"
            with atomic_write(path, overwrite=overwrite) as temporary:
                save_pickled(content, temporary)
            written.append(path)
        return written

    @classmethod
    def load_released(
        cls,
        model: str | os.PathLike[str],
        frames: int,
        *,
        fps: float = 7.0,
        radius: float = 1.5,
        fov_y: float = FOV_Y,
    ) -> Gaussians4D:
        """Read `<name>_4d_model.ply` with the `<name>_deformation.pth` beside it; the sizes of the field are read off its tensors.

        Raises:
            DisMoError: a file that is missing or damaged.
        """
        ply = Path(model)
        weights = ply.with_name(ply.name.removesuffix("_4d_model.ply") + "_deformation.pth")
        tensors = read_weights(weights).tensors
        field = HexPlaneDeformation(**released_geometry(tensors, str(weights)))
        field.load_released(tensors)
        return cls(read_ply(ply), field.requires_grad_(False), frames, fps, radius, fov_y)


def released_geometry(tensors: dict[str, Tensor], source: str) -> dict[str, Any]:
    """Sizes of a released field, read off its tensors.

    Raises:
        DisMoError: it is no such field.
    """
    try:
        grids = "deformation_net.grid.grids"
        xy, zt = tensors[f"{grids}.0.0"], tensors[f"{grids}.0.5"]
        scales = sorted({int(name.split(".")[3]) for name in tensors if name.startswith(grids + ".")})
        first = xy.shape[3]
        return {
            "resolution": (first, xy.shape[2], zt.shape[3], zt.shape[2]),
            "channels": xy.shape[1],
            "width": tensors["deformation_net.feature_out.0.weight"].shape[0],
            "depth": 1
            + sum(name.startswith("deformation_net.feature_out.") and name.endswith("weight") for name in tensors)
            - 1,
            "bound": float(tensors["deformation_net.grid.aabb"][0, 0]),
            "multires": [tensors[f"{grids}.{k}.0"].shape[3] // first for k in scales],
        }
    except (KeyError, IndexError, ValueError) as error:
        raise DisMoError(
            f"{source} is not a released deformation field: {error} is missing. Give a _deformation.pth."
        ) from error
