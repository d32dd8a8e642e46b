"""Ordinary CogVideoX LoRAs (style, character) beside the motion adapter, by diffusers and PEFT.

PEFT wraps the base's linears; the motion update stays inside the wrapped ones, so the updates add up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..imports import importing
from .files import read_lora

MADE_FOR = "CogVideoX-5B"


@torch.inference_mode(False)
def set_video_loras(transformer: Any, loras: Mapping[str | os.PathLike[str], float]) -> None:
    """Put exactly these LoRAs in force; none = leave the transformer as it was before the first.

    Args:
        transformer: of the base. Not while its weights are offloaded: release its memory plan before.
        loras: files as `read_lora` takes them -> strength, a factor on the whole update.

    Raises:
        DisMoError: a file that is refused, see `read_lora`. Then none is in force.
    """
    with importing("peft"):
        import peft  # noqa: F401 # by diffusers, whose words for its absence are others
    if getattr(transformer, "peft_config", None):
        transformer.unload_lora()
    trained = [(p, p.requires_grad) for p in transformer.parameters()]
    files = [read_lora(path, transformer, MADE_FOR) for path in loras]
    for i, file in enumerate(files):
        adapter = f"video_{i}"
        halves = {
            f"{path}.{half}": matrix
            for path, update in file.updates.items()
            for half, matrix in (("lora_A", update.down), ("lora_B", update.up))
        }
        transformer.load_lora_adapter(
            {f"transformer.{name}.weight": matrix for name, matrix in halves.items()}, adapter_name=adapter
        )
        for name, matrix in halves.items():
            half = transformer.get_submodule(f"{name}.{adapter}")
            half.weight.data = matrix.to(transformer.dtype)  # PEFT takes the dtype of the linear, which may be float8
        for path, update in file.updates.items():
            layer = transformer.get_submodule(path)
            layer.lora_alpha[adapter] = update.scale * layer.r[adapter]  # PEFT's factor is their quotient
    if loras:
        set_strengths(transformer, list(loras.values()))
    for p, flag in trained:
        p.requires_grad_(flag)  # PEFT freezes whatever is not its own


def set_strengths(transformer: Any, strengths: Sequence[float]) -> None:
    """Give the LoRAs in force other strengths, wherever the weights lie.

    Args:
        transformer: that `set_video_loras` gave them to.
        strengths: one each, in their order.
    """
    transformer.set_adapters([f"video_{i}" for i in range(len(strengths))], list(strengths))
