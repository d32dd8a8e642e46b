"""Between torch's zip format and safetensors: same names, shapes, dtypes and bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write, check_free, save_pickled, save_tensors
from .files import PICKLED, SAFE, read_weights, sha256
from .manifest import SOURCE
from .released import check_released
from .unwrapped import read_unwrapped


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Write the tensors of a `.pt`, `.pth` or `.bin` file as safetensors; the metadata hold the source's name and sha256.

    The source is read by the weights-only unpickler and stays memory-mapped, so memory does not grow with it. Of a training
    checkpoint the weights under `state_dict` are taken, or what a method says of its own checkpoints. Safetensors become a `.pt`, `.pth`
    or `.bin` file likewise, for programs that read nothing else.

    Args:
        source: the `.pt`, `.pth` or `.bin` file, or the `.safetensors` file.
        target: the file of the other kind to make.
        overwrite: replace an existing file.
        progress: of the checksum, called with (bytes done, bytes in all).

    Returns:
        The tensors, memory-mapped from the source.

    Raises:
        DisMoError: suffixes of other formats, an existing target, a source that is damaged or holds more than tensors,
            no room.
    """
    source, target = Path(source), Path(target)
    if source.suffix in SAFE and target.suffix in PICKLED:
        check_free(target, overwrite=overwrite)
        return _pickled(source, target, overwrite)
    if source.suffix not in PICKLED:
        raise DisMoError(f"{source.name} is not a {' or '.join(PICKLED)} file. Only those are converted.")
    if target.suffix not in SAFE:
        raise DisMoError(f"{target.name} has the suffix {target.suffix!r}. Give a name that ends in .safetensors.")
    check_free(target, overwrite=overwrite)
    check_released(source, progress)
    file = read_unwrapped(source)
    tensors = file.tensors
    metadata = {"format": "pt", "source": source.name, SOURCE: sha256(source, progress), **file.metadata}
    with atomic_write(target, overwrite=overwrite) as temporary:
        save_tensors(_separate(tensors), temporary, metadata)
    return tensors


def _pickled(source: Path, target: Path, overwrite: bool) -> dict[str, Tensor]:
    tensors = read_weights(source).tensors
    with atomic_write(target, overwrite=overwrite) as temporary:
        save_pickled(tensors, temporary)
    return tensors


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The format stores each tensor for itself and in order; what shares memory or is strided is copied."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone().contiguous() if place in seen else tensor.contiguous()
        seen.add(place)
    return result
