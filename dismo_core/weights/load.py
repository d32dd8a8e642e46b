"""Models from files; strict: names, shapes, nothing missing, nothing left over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import DisMoError
from ..files import atomic_write
from .files import WeightFile, differences, read_weights, sha256
from .kinds import Kind
from .recognise import require_kind
from .released import check_released

CHECKSUMS = "checksums.json"  # beside bundled files


def bundled_checksum(path: Path) -> str:
    """What the sha256 of a bundled file must be."""
    return str(json.loads((path.parent / CHECKSUMS).read_text())[path.name])


def write_checksums(files: Sequence[Path]) -> Path:
    """Say in `checksums.json` beside files of one folder what their sha256 is; an older one is replaced."""
    sums = files[0].parent / CHECKSUMS
    with atomic_write(sums, overwrite=True) as temporary:
        temporary.write_text(json.dumps({path.name: sha256(path) for path in files}, indent=2) + "\n")
    return sums


def intact(path: Path) -> Path:
    """The path of a bundled file, which is there and has its checksum.

    Raises:
        DisMoError: it is missing or damaged.
    """
    if not path.is_file():
        raise DisMoError(f"The bundled file {path} is missing. Install the pack again.")
    if (found := sha256(path)) != (known := bundled_checksum(path)):
        raise DisMoError(f"{path} has the checksum {found}, not {known}: the file is damaged. Install the pack again.")
    return path


def open_weights(name_or_path: str | os.PathLike[str], bundled: Mapping[str, Path], kind: Kind) -> WeightFile:
    """Read weights of one kind: bundled ones by their name and checksum, any others by their path.

    Args:
        bundled: name -> file of this pack.

    Raises:
        DisMoError: no such name or file, a damaged file, or weights of another kind.
    """
    if (path := bundled.get(os.fspath(name_or_path))) is not None:
        return read_weights(intact(path))
    if not Path(name_or_path).suffix:
        raise DisMoError(
            f"There are no bundled weights called {os.fspath(name_or_path)!r}; bundled is: {', '.join(bundled)}. Or give the path "
            "of a weight file."
        )
    check_released(name_or_path)
    file = read_weights(name_or_path)
    require_kind(kind, file.tensors, str(file.path))
    return file


def build(file: WeightFile, geometries: Mapping[str, Callable[[], nn.Module]]) -> Any:
    """The module of the one geometry that the tensors fit, filled strictly."""
    problems = []
    for name, make in geometries.items():
        with torch.device("meta"):
            expected = make().state_dict()
        problem = differences(expected, file.tensors)
        if not problem:
            module = make()
            module.load_state_dict({k: v.float() for k, v in file.tensors.items()}, strict=True)
            # looked at in the module: the file is read once
            if bad := [name for name, value in module.state_dict().items() if not bool(value.isfinite().all())]:
                raise DisMoError(
                    f"{file.path} holds NaN or infinite values in {len(bad)} tensors, as in {bad[0]}. The file is damaged, or its "
                    "training had diverged; fetch it again, or take an earlier checkpoint."
                )
            return module
        problems.append(f"Against {name}: {problem}")
    raise DisMoError(f"{file.path} fits no known geometry. {'. '.join(problems)}. Check that it is the right file.")
