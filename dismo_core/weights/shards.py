"""Weight files that belong together: the parts of a folder, by its index; safetensors, or `.bin` where a folder has nothing newer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import DisMoError
from ..files import read_json
from .files import read_pickle

PICKLED = {"model": "pytorch_model"}  # names of .bin files, where they are others than those of safetensors files
_BESIDE = re.compile(r"[\w.-]{1,200}\.safetensors")  # a file name, not a path


def shards(folder: Path, stem: str) -> list[Path]:
    """The weight files of a diffusers or transformers folder: one file, or all that its index names.

    Where there is no safetensors file, the `.bin` of older folders.

    Raises:
        DisMoError: no file, or one of the index's files is missing.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        names = sorted(set(weight_map(index).values()))
    else:
        names = [f"{stem}.safetensors"]
        older = f"{PICKLED.get(stem, stem)}.bin"
        if not (folder / names[0]).is_file() and (folder / older).is_file():
            names = [older]
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
    """A weight file, memory-mapped: safetensors, or a `.bin` through the weights-only unpickler.

    Raises:
        DisMoError: missing, not a whole file, or a pickle that would have to run code.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DisMoError(f"There is no weight file {path}. Check the path.")
    if path.suffix == ".bin":
        yield _Pickled(read_pickle(path))
        return
    if path.suffix in (".pt", ".pth", ".ckpt"):
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


class _Pickled:
    """A mapping of tensors with the methods of an open safetensors file that are used."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def keys(self) -> list[str]:
        return list(self._tensors)

    def get_tensor(self, name: str) -> Tensor:
        return self._tensors[name]
