"""Numbers of released weights to send back: tensors, folders and the machine in a few figures and names."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


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


def listing(folder: Path) -> dict[str, Any]:
    """Files of a base, sizes without hashes: it may have 20 GB."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {
        "name": folder.name,
        "bytes of files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in found},
    }


def machine(device: torch.device) -> dict[str, str]:
    """System, device and versions of libraries."""
    from importlib.metadata import version

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    packages = {package: version(package) for package in ("torch", "diffusers", "transformers", "peft")}
    return {"system": platform.system(), "python": sys.version.split()[0], "device": f"{device}: {name}", **packages}
