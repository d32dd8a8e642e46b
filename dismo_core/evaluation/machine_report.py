"""What a report about weights on someone's machine says of tensors, files and the machine; no paths but the files' own names."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..weights.files import read_weights, sha256


def numbers(x: Tensor) -> dict[str, Any]:
    """A tensor in a few numbers, as the tables of expected values have them; std is the population value."""
    flat = x.detach().double().flatten().cpu()
    return {
        "shape": list(x.shape),
        "mean": round(float(flat.mean()), 6),
        "std": round(float(flat.std(correction=0)), 6),
        "first": [round(v, 6) for v in flat[:4].tolist()],
        "last": [round(v, 6) for v in flat[-2:].tolist()],
    }


def rounded(x: Tensor) -> Any:
    """The numbers of a tensor, to five places."""
    return (x.double() * 1e5).round().div(1e5).tolist()


def frame_numbers(shown: Tensor) -> dict[str, Any]:
    """A video [T,H,W,3], 0..1, in numbers."""
    return {
        **numbers(shown),
        "colors of each frame": rounded(shown.mean(dim=(1, 2))),
        "contrast of each frame": rounded(shown.std(dim=(1, 2, 3), correction=0)),
        "change from frame to frame": rounded(shown.diff(dim=0).abs().mean(dim=(1, 2, 3))),
    }


def file_report(path: Path, tensors: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Name, size, checksum, and the tensors in a weight file.

    Args:
        path: of the file.
        tensors: those that count, where they lie within something else; None = as the file holds them.
    """
    tensors = read_weights(path).tensors if tensors is None else tensors
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "tensors": {
            name: f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" for name, x in sorted(tensors.items())
        },
    }


def folder_report(folder: Path) -> dict[str, Any]:
    """Files of a base, without hashing some 20 GB."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {
        "name": folder.name,
        "bytes of files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in found},
    }


def machine_report(device: torch.device, packages: Sequence[str]) -> dict[str, str]:
    """System, device and versions of packages."""
    from importlib.metadata import version

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = {package: version(package) for package in packages}
    return {"system": platform.system(), "python": sys.version.split()[0], "device": f"{device}: {name}", **versions}
