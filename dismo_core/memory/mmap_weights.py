"""Weights straight from memory-mapped safetensors files into a module that was made on the meta device."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import atomic_write, save_tensors
from ..weights.files import differences
from ..weights.recognise import recognise
from ..weights.shards import opened

MMAPPED = "mmapped_at"  # attribute of parameters and buffers whose values lie in a memory-mapped file: their address
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
FLOAT8_SCALES = ("scale_weight", "weight_scale")  # of one weight: value = float8 * scale
FLOAT8_MARKS = ("scaled_fp8", "scale_input", "input_scale", "comfy_quant")  # say how others compute, not what is stored


def fill(
    module: nn.Module,
    files: Iterable[Path],
    dtype: torch.dtype,
    rename: Callable[[str], str | None] = lambda key: key,
    keep_float32: Callable[[str], bool] = lambda key: False,
    keep_float8: Callable[[str], bool] = lambda key: False,
    tied: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Give every parameter and buffer of `module`, made on the meta device, its tensor from `files`; strict.

    A tensor that already has the wanted precision stays memory-mapped: the system reads its pages when they are used and may
    drop them again. Others are cast one by one, so there are never two copies of the weights.

    Args:
        files: safetensors files; each tensor in one of them.
        dtype: precision of the floating tensors.
        rename: file's key to module's key; None = not needed.
        keep_float32: module's keys whose tensors become float32 instead.
        keep_float8: module's keys whose tensors stay float8 where the file has them so.
        tied: module's keys that are no tensors of their own -> the key they share.

    Returns:
        The scale, float32, of each tensor that stayed float8.

    Raises:
        DisMoError: a file that is not whole, names or shapes that do not fit the module.
    """
    files = list(files)
    found: dict[str, Tensor] = {}
    scales: dict[str, Tensor] = {}
    in_file: set[str] = set()
    with torch.inference_mode(False):  # weights made inside it could not be trained beside later
        for path in files:
            with opened(path) as file:
                names = set(file.keys())
                for name in sorted(names):
                    key = rename(name)
                    if key is None or name.rpartition(".")[2] in (*FLOAT8_SCALES, *FLOAT8_MARKS):
                        continue
                    tensor = stored = file.get_tensor(name)
                    if stored.dtype in FLOAT8:
                        scale = _float8_scale(file, names, name)
                        if keep_float8(key):
                            scales[key] = scale
                        else:
                            tensor = stored.float() * scale.reshape(scale.shape + (1,) * (stored.ndim - scale.ndim))
                    if tensor.is_floating_point() and key not in scales:
                        tensor = tensor.to(torch.float32 if keep_float32(key) else dtype)
                    found[key] = tensor
                    if tensor is stored:
                        in_file.add(key)
        found |= {alias: found[key] for alias, key in tied.items() if key in found}
        _assign(module, found, in_file, ", ".join(str(path) for path in files))
    return scales


def adopt(module: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype, source: str) -> None:
    """Give every parameter and buffer of `module`, made on the meta device, its tensor; strict. As `fill`, of tensors that are read.

    Args:
        tensors: memory-mapped, in the module's names; those that have the precision already stay so.
        dtype: precision of the floating tensors.
        source: where they come from, for messages.

    Raises:
        DisMoError: names or shapes that do not fit the module.
    """
    with torch.inference_mode(False):
        cast = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
        _assign(module, cast, {key for key, tensor in cast.items() if tensor is tensors[key]}, source)


def _assign(module: nn.Module, found: dict[str, Tensor], in_file: set[str], source: str) -> None:
    if problem := differences(module.state_dict(), found):
        kind = recognise(found)
        what = f" They look like {kind.what}." if kind else ""
        raise DisMoError(f"The weights in {source} do not fit {type(module).__name__}.{what} {problem}.")
    module.load_state_dict(found, strict=True, assign=True)
    for key, held in (*module.named_parameters(), *module.named_buffers()):
        if key in in_file:
            setattr(held, MMAPPED, held.data_ptr())


def spill(module: nn.Module, folder: Path) -> None:
    """Move the weights that lie only in memory (cast or converted at loading) to memory-mapped files in `folder`.

    Quantised weights, which safetensors cannot hold, stay.

    Raises:
        DisMoError: the disk has not enough room.
    """
    from safetensors import safe_open

    held = [t for t in (*module.parameters(), *module.buffers()) if is_plain(t) and not is_mmapped(t)]
    needed, free = sum(t.nbytes for t in held), shutil.disk_usage(folder).free
    if needed > free:
        raise DisMoError(
            f"Keeping the weights on disk needs {needed / 1e9:.1f} GB in {folder}, which has {free / 1e9:.1f} GB free. "
            "Free some, name another folder, or choose another memory setting."
        )
    for i, tensor in enumerate(held):
        path = folder / f"{i}-{uuid.uuid4().hex}.safetensors"
        with atomic_write(path) as temporary:
            save_tensors({"weight": tensor.data.contiguous()}, temporary)
        with safe_open(path, framework="pt") as file:
            tensor.data = file.get_tensor("weight")
        setattr(tensor, MMAPPED, tensor.data_ptr())


def is_mmapped(tensor: Tensor) -> bool:
    """Whether a parameter or buffer lies in a memory-mapped file, as `fill` or `spill` left it."""
    return getattr(tensor, MMAPPED, None) == tensor.data_ptr()


def is_plain(tensor: Tensor) -> bool:
    """Whether a parameter or buffer is an ordinary tensor, and not one of a quantisation library."""
    return type(tensor) in (Tensor, nn.Parameter)


def _float8_scale(file: Any, names: set[str], name: str) -> Tensor:
    layer = name.rpartition(".")[0]
    for suffix in FLOAT8_SCALES:
        if f"{layer}.{suffix}" in names:
            scale: Tensor = file.get_tensor(f"{layer}.{suffix}").float()
            return scale
    return torch.ones(())
