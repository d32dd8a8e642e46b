"""Ordinary CogVideoX LoRAs (style, character) beside the motion adapter, by diffusers and PEFT.

PEFT wraps the base's linears; the motion update stays inside the wrapped ones, so the updates add up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..imports import importing
from ..weights.files import read_weights
from ..weights.kinds import LORA, require_kind

PREFIX = "transformer."
PARTS = {".lora_A.weight": 1, ".lora_B.weight": 0}  # ending of a name -> dimension that the linear has too
METADATA = "lora_adapter_metadata"  # where diffusers keeps rank and alpha


@torch.inference_mode(False)
def set_video_loras(transformer: Any, loras: Mapping[str | os.PathLike[str], float]) -> None:
    """Put exactly these LoRAs in force; none = leave the transformer as it was before the first.

    Args:
        transformer: of the base. Not while its weights are offloaded: release its memory plan before.
        loras: safetensors files in diffusers' format -> strength.

    Raises:
        DisMoError: a file that is missing, damaged, of another format or for another model. Then none is in force.
    """
    with importing("peft"):
        import peft  # noqa: F401 # by diffusers, whose words for its absence are others
    if getattr(transformer, "peft_config", None):
        transformer.unload_lora()
    trained = [(p, p.requires_grad) for p in transformer.parameters()]
    files = {path: read_weights(path) for path in loras}
    for path, file in files.items():
        _check(transformer, os.fspath(path), file.tensors)
    for i, file in enumerate(files.values()):
        transformer.load_lora_adapter(
            {PREFIX + name.removeprefix(PREFIX): tensor for name, tensor in file.tensors.items()},
            adapter_name=f"video_{i}",
            metadata=json.loads(file.metadata[METADATA]) if METADATA in file.metadata else None,
        )
        for name, tensor in file.tensors.items():
            layer = transformer.get_submodule(f"{name.removeprefix(PREFIX).removesuffix('.weight')}.video_{i}")
            layer.weight.data = tensor.to(transformer.dtype)  # PEFT takes the dtype of the linear, which may be float8
    if loras:
        transformer.set_adapters([f"video_{i}" for i in range(len(loras))], list(loras.values()))
    for p, flag in trained:
        p.requires_grad_(flag)  # PEFT freezes whatever is not its own


def _check(transformer: nn.Module, path: str, tensors: dict[str, Tensor]) -> None:
    modules = {name: getattr(module, "base_layer", module) for name, module in transformer.named_modules()}
    require_kind(LORA, tensors, path)
    for name, tensor in tensors.items():
        part = next((part for part in PARTS if name.endswith(part)), None)
        if part is None:
            raise DisMoError(
                f"{path} holds {name!r}: it is no LoRA in diffusers' format, whose names end in {' or '.join(PARTS)}."
            )
        linear = modules.get(name.removeprefix(PREFIX).removesuffix(part))
        wanted = () if linear is None else (linear.in_features, linear.out_features)
        dimension = PARTS[part]
        if linear is None or tensor.shape[dimension] != wanted[1 - dimension]:
            raise DisMoError(
                f"{path} is a LoRA for another model: the base has no layer that {name!r} {list(tensor.shape)} fits. "
                "Use a LoRA made for CogVideoX-5B."
            )
