"""Weights straight from mapped safetensors files into a module that was made on the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..weights.files import differences

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
FLOAT8_SCALES = ("scale_weight", "weight_scale")  # of one weight: value = float8 * scale
FLOAT8_MARKS = ("scaled_fp8", "scale_input", "input_scale", "comfy_quant")  # say how others compute, not what is stored


def shards(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a diffusers or transformers folder: one file, or all that its index names.

    Raises:
        DisMoError: no file, or one of the index's files is missing.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        names = [f"{stem}.safetensors"]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise DisMoError(f"{folder} lacks {', '.join(missing)}. The download is not complete: fetch the missing files.")
    return [folder / name for name in names]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, mapped.

    Raises:
        DisMoError: missing, or not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DisMoError(f"There is no weight file {path}. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise DisMoError(f"{path} is not a whole safetensors file ({error}). Fetch or copy it again.") from error


def fill(
    module: nn.Module,
    files: Iterable[Path],
    dtype: torch.dtype,
    rename: Callable[[str], str] = lambda key: key,
    keep_float32: Callable[[str], bool] = lambda key: False,
    keep_float8: Callable[[str], bool] = lambda key: False,
    tied: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Give every parameter and buffer of `module`, made on the meta device, its tensor from `files`; strict.

    A tensor that already has the wanted precision stays mapped: the system reads its pages when they are used and may
    drop them again. Others are cast one by one, so there are never two copies of the weights.

    Args:
        files: safetensors files; each tensor in one of them.
        dtype: precision of the floating tensors.
        rename: file's key to module's key.
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
    with torch.inference_mode(False):  # weights made inside it could not be trained beside later
        for path in files:
            with opened(path) as file:
                names = set(file.keys())
                for name in sorted(names):
                    if name.rpartition(".")[2] in (*FLOAT8_SCALES, *FLOAT8_MARKS):
                        continue
                    key, tensor = rename(name), file.get_tensor(name)
                    if tensor.dtype in FLOAT8:
                        layer = name.rpartition(".")[0]
                        scale = [file.get_tensor(f"{layer}.{s}") for s in FLOAT8_SCALES if f"{layer}.{s}" in names]
                        factor = scale[0].float() if scale else torch.ones(())
                        if keep_float8(key):
                            found[key], scales[key] = tensor, factor
                            continue
                        tensor = tensor.float() * factor.reshape(factor.shape + (1,) * (tensor.ndim - factor.ndim))
                    if tensor.is_floating_point():
                        tensor = tensor.to(torch.float32 if keep_float32(key) else dtype)
                    found[key] = tensor
        found |= {alias: found[key] for alias, key in tied.items() if key in found}
        if problem := differences(module.state_dict(), found):
            where = ", ".join(str(path) for path in files)
            raise DisMoError(f"The weights in {where} do not fit {type(module).__name__}. {problem}.")
        module.load_state_dict(found, strict=True, assign=True)
    return scales
