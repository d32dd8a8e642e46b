"""Safetensors files that belong together: the parts of a folder, by its index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DisMoError
from ..files import read_json

_BESIDE = re.compile(r"[\w.-]{1,200}\.safetensors")  # a file name, not a path


def shards(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a diffusers or transformers folder: one file, or all that its index names.

    Raises:
        DisMoError: no file, or one of the index's files is missing.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        names = sorted(set(weight_map(index).values()))
    else:
        names = [f"{stem}.safetensors"]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise DisMoError(f"{folder} lacks {', '.join(missing)}. The download is not complete: fetch the missing files.")
    return [folder / name for name in names]


def weight_map(index: Path) -> dict[str, str]:
    """Tensor -> file beside the index.

    Raises:
        DisMoError: the index is damaged, or names files elsewhere.
    """
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not all(_BESIDE.fullmatch(str(name)) for name in found.values()):
        raise DisMoError(f"{index} is no index of safetensors files beside it. It is damaged; fetch it again.")
    return found


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, memory-mapped.

    Raises:
        DisMoError: missing, or not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DisMoError(f"There is no weight file {path}. Check the path.")
    if path.suffix in (".pt", ".pth", ".ckpt", ".bin"):
        raise DisMoError(
            f"{path.name} is not safetensors, the only format that parts of a base are read from. Convert it.",
            hint="convert",
            source=path.name,
            target=f"{path.stem}.safetensors",
        )
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise DisMoError(f"{path} is not a whole safetensors file ({error}). Fetch or copy it again.") from error
