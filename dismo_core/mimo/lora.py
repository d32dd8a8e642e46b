"""Low-rank updates of the spatial attention of both UNets: trained on one subject, kept as a file of some megabytes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import atomic_write
from ..lora.files import read_lora
from ..lora.updates import NAME, LowRankPair, Setting, attach

MADE_FOR = "MIMO"
RANK = 16
_LAYER = re.compile(r"(reference_unet|denoising_unet)\..*\.attn[12]\.(to_q|to_k|to_v|to_out\.0)")


def add_lora(networks: nn.Module, rank: int = RANK) -> None:
    """Put updates that begin at zero into the attention of both UNets; only they have gradients then.

    Args:
        networks: with the UNets as `reference_unet` and `denoising_unet`.
        rank: of each update.

    Raises:
        DisMoError: a rank below 1, or updates that are there already.
    """
    if rank < 1:
        raise DisMoError(f"The rank of a LoRA must be at least 1, not {rank}.")
    networks.requires_grad_(False)
    setting = Setting()
    for linear in _linears(networks).values():
        attach(linear, [LowRankPair(linear, rank, 0.0, setting)])


def save_lora(networks: nn.Module, path: Path) -> None:
    """Write the updates as safetensors with PEFT's names, in float32; an existing file is replaced."""
    tensors: dict[str, Tensor] = {}
    for name, linear in _linears(networks).items():
        (pair,) = linear.get_submodule(NAME).children()
        assert isinstance(pair, LowRankPair)
        for half, matrix in (("lora_A", pair.lora_down), ("lora_B", pair.lora_up)):
            tensors[f"{name}.{half}.weight"] = matrix.weight.detach().cpu().contiguous()
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_bytes(save(tensors, {"format": "pt", "made_for": MADE_FOR}))


def use_lora(networks: nn.Module, path: str | os.PathLike[str], strength: float = 1.0) -> None:
    """Put the updates of a file into the UNets, as constants.

    Args:
        networks: see `add_lora`.
        path: as `save_lora` writes it; other ways to write a LoRA are read, too.
        strength: factor on all of it.

    Raises:
        DisMoError: a file that is no LoRA, or one for another model.
    """
    file = read_lora(path, networks, MADE_FOR)
    for name, update in file.updates.items():
        linear = networks.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        pair = LowRankPair(linear, update.down.shape[0], 0.0, Setting(strength * update.scale, frozen=True))
        pair.replace(update.up, update.down)
        attach(linear, [pair.requires_grad_(False)])


def _linears(networks: nn.Module) -> dict[str, nn.Linear]:
    return {
        name: module
        for name, module in networks.named_modules()
        if isinstance(module, nn.Linear) and _LAYER.fullmatch(name)
    }
