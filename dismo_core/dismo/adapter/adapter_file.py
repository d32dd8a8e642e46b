"""The adapter's file: what it must hold (docs/methods/dismo.md, 2.3)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...cogvideox.weights import BASE
from ...errors import DisMoError
from ...weights.files import differences, read_weights
from ...weights.recognise import require_kind
from ...weights.released import check_released
from ..kinds import ADAPTER

LORA = "transformer."
EXTRACTOR = "motion_extractor."
LORA_DTYPES = (torch.bfloat16, torch.float16, torch.float32)

Source = str | os.PathLike[str] | Mapping[str, Tensor]


def read_adapter(source: Source) -> dict[str, Tensor]:
    """The tensors of an adapter: a released file, a safetensors conversion, a folder of such parts, or a state dict.

    Raises:
        DisMoError: no such file, a damaged or wrapped one, weights of another kind, one that bears a released name and is
            not the released file, two parts that hold the same tensor.
    """
    tensors = _read(source)
    require_kind(ADAPTER, tensors, "The state dict" if isinstance(source, Mapping) else os.fspath(source))
    return tensors


def _read(source: Source) -> dict[str, Tensor]:
    if isinstance(source, Mapping):
        if other := [str(k) for k, v in source.items() if not isinstance(v, Tensor)]:
            raise DisMoError(
                f"The state dict is no flat mapping of names to tensors: {', '.join(other[:5])} hold something else. "
                "Pass the inner state dict itself."
            )
        return {k: v.detach().clone() for k, v in source.items()}
    path = Path(source)
    if not path.is_dir():
        check_released(path)
        return read_weights(path).tensors
    tensors: dict[str, Tensor] = {}
    for part in sorted(path.glob("*.safetensors")):
        check_released(part)
        found = read_weights(part).tensors
        if twice := tensors.keys() & found.keys():
            raise DisMoError(
                f"{part} repeats {len(twice)} tensors of another file of the folder, as {min(twice)}. "
                "Keep the parts of one adapter only."
            )
        tensors |= found
    if not tensors:
        raise DisMoError(
            f"The folder {path} holds no .safetensors files. Give the folder with the parts of an adapter, or a file."
        )
    return tensors


def geometry(tensors: Mapping[str, Tensor]) -> dict[str, int | float]:
    """Width of a condition, rank and alpha of an adapter; empty, which means as released, where it is no adapter.

    alpha is in no file; it is half the rank, as released.
    """
    gamma = next(
        (v for k, v in tensors.items() if k.startswith(LORA) and ".lora_emb_gamma." in k and v.ndim == 2), None
    )
    if gamma is None:
        return {}
    rank, d_cond = gamma.shape
    return {"d_cond": d_cond, "rank": rank, "alpha": rank / 2}


def check_adapter(expected: dict[str, Tensor], found: dict[str, Tensor], base: str) -> None:
    """Raise unless names, shapes and dtypes are those of an adapter for the base called `base`.

    The LoRA may have any of the usual 16 or 32 bit float formats; everything else is float32.
    """
    want = {k: v for k, v in expected.items() if k.startswith(LORA)}
    have = {k: v for k, v in found.items() if k.startswith(LORA)}
    if have and (problem := differences(want, have)):
        raise DisMoError(
            f"The adapter's LoRA does not fit the layers of the base {base}. {problem}. "
            f"The released adapter needs {BASE.repo}; load the base that this one was trained with."
        )
    if problem := differences(expected, found):
        raise DisMoError(f"This is no whole adapter. {problem}. Check that it is the right file.")
    wrong = [
        f"{name} {tensor.dtype}"
        for name, tensor in found.items()
        if tensor.dtype not in (LORA_DTYPES if name.startswith(LORA) else (torch.float32,))
    ]
    if wrong:
        raise DisMoError(
            f"{len(wrong)} tensors of another dtype: {', '.join(wrong[:5])}{' ...' if len(wrong) > 5 else ''}. "
            "The LoRA must be bfloat16, float16 or float32, everything else float32."
        )
