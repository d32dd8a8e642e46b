"""Weights straight from mapped safetensors files into a module that was made on the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..weights.files import differences


def shards(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a diffusers or transformers folder: one file, or all that its index names.

    Raises:
        DisMoError: no file, or one of the index's files is missing.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        names = [f"{stem}.safetensors"]
    else:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise DisMoError(f"{folder} lacks {', '.join(missing)}. The download is not complete: fetch the missing files.")
    return [folder / name for name in names]


def fill(
    module: nn.Module,
    files: Iterable[Path],
    dtype: torch.dtype,
    rename: Callable[[str], str | None] = lambda key: key,
    keep_float32: Callable[[str], bool] = lambda key: False,
    tied: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Give every parameter and buffer of `module`, made on the meta device, its tensor from `files`; strict.

    A tensor that already has the wanted precision stays mapped: the system reads its pages when they are used and may
    drop them again. Others are cast one by one, so there are never two copies of the weights.

    Args:
        files: safetensors files; each tensor in one of them.
        dtype: precision of the floating tensors.
        rename: file's key to module's key; None leaves the tensor out.
        keep_float32: module's keys whose tensors are kept in float32.
        tied: module's keys that are no tensors of their own -> the key they share.

    Raises:
        DisMoError: a file that is not whole, names or shapes that do not fit the module.
    """
    from safetensors import SafetensorError, safe_open

    files = list(files)
    found: dict[str, Tensor] = {}
    with torch.inference_mode(False):
        for path in files:
            try:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():
                        key = rename(name)
                        if key is not None:
                            tensor = file.get_tensor(name)
                            wanted = torch.float32 if keep_float32(key) else dtype
                            found[key] = tensor.to(wanted) if tensor.is_floating_point() else tensor
            except (SafetensorError, OSError) as error:
                raise DisMoError(
                    f"{path} is not a whole safetensors file ({error}). Fetch or copy it again."
                ) from error
        found |= {alias: found[key] for alias, key in tied.items() if key in found}
        if problem := differences(module.state_dict(), found):
            names = ", ".join(str(path) for path in files)
            raise DisMoError(f"The weights in {names} do not fit {type(module).__name__}. {problem}.")
        module.load_state_dict(found, strict=True, assign=True)
