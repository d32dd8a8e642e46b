"""LoRA files as trainers write them, read into one form: for each layer of a model, the update scale * up @ down.

Read are the names of diffusers, PEFT, ComfyUI's trainers, kohya's and CogVideoX-Fun's (`layer_names`). The scale is alpha / rank
where the file tells an alpha (`alphas`), else 1, as in diffusers. Formula: LoRA (Hu et al., 2021, arXiv:2106.09685), section 4.1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..weights.files import read_weights
from ..weights.kinds import LORA
from ..weights.recognise import require_kind
from .alphas import FLOATS, Declared, alpha_value, read_declared
from .layer_names import ALPHA, DOWN, UP, LayerNames, split_name
from .other_models import family, family_by_width, of_text_encoder

_MEND = "Fetch it again, or use another save of the training."

Names = dict[str, dict[str, str]]  # layer as the file calls it -> `DOWN`, `UP`, `ALPHA` -> name of the tensor


@dataclass(frozen=True)
class LowRank:
    """The update of one linear: y = W x + b + scale * up @ down @ x.

    Args:
        down: [rank, d_in], floats on the CPU, all finite.
        up: [d_out, rank], likewise.
        scale: without the strength that a user sets.
    """

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True)
class LoraFile:
    """A LoRA, fitted to a model.

    Args:
        updates: path of a linear in the model -> its update; at least one.
    """

    path: Path
    updates: dict[str, LowRank]


def read_lora(path: str | os.PathLike[str], model: nn.Module, made_for: str) -> LoraFile:
    """Read a file onto the CPU and find the layers that it changes.

    Args:
        path: safetensors, or a flat mapping in torch's format.
        model: whose linears are to be changed; it is only looked at.
        made_for: what LoRAs for it are made for, for messages: "CogVideoX-5B".

    Raises:
        DisMoError: a file that is missing or damaged, no LoRA, a LoRA of another kind (LoHa, LoKr, DoRA) or for another model, one
            that changes a text encoder or convolutions too, or a broken one: half an update, NaN, integers, a wrong shape.
    """
    file = read_weights(path)
    source = os.fspath(path)
    require_kind(LORA, file.tensors, source)
    names, strange = _by_layer(file.tensors, source)
    layers = LayerNames(model)
    paths = _find_layers(names, layers, source, made_for)
    if strange:
        raise DisMoError(
            f"{source} holds {_short(strange[0])} beside its low-rank updates, which is not applied: the result would not be what was "
            "trained. Use a LoRA of plain updates (lora_A and lora_B, or lora_down and lora_up)."
        )
    declared = read_declared(file)
    updates: dict[str, LowRank] = {}
    for layer, parts in names.items():
        linear = layers.modules[paths[layer]]
        updates[paths[layer]] = _update(file.tensors, parts, paths[layer], linear, declared, source, made_for)
    if not any(bool(update.down.any()) and bool(update.up.any()) for update in updates.values()):
        name = next(iter(names.values()))[UP]
        raise DisMoError(
            f"{source} is a broken LoRA: it changes nothing, as all its updates are zero, {_short(name)} first. {_MEND}"
        )
    return LoraFile(file.path, updates)


def _by_layer(tensors: Mapping[str, Tensor], source: str) -> tuple[Names, list[str]]:
    """The names put together by layer, and those that are no LoRA's."""
    names: Names = {}
    strange = []
    for name in tensors:
        found = split_name(name)
        if found is None:
            strange.append(name)
            continue
        layer, part = found
        other = names.setdefault(layer, {}).setdefault(part, name)
        if other != name:
            raise DisMoError(
                f"{source} holds two LoRAs: both {_short(other)} and {_short(name)}. Save them as two files, and use one after the other."
            )
    if not any(part != ALPHA for parts in names.values() for part in parts):
        inside = f"it holds {_short(next(iter(tensors)))}" if tensors else "it is empty"
        raise DisMoError(
            f"{source} is no LoRA: {inside}, and none of its names ends in lora_A.weight and lora_B.weight, or lora_down.weight and "
            "lora_up.weight. Use a LoRA in the format of diffusers, PEFT, ComfyUI or kohya."
        )
    return names, strange


def _find_layers(names: Names, layers: LayerNames, source: str, made_for: str) -> dict[str, str]:
    """Layer as the file calls it -> path in the model."""
    found = {layer: layers.find(layer) for layer in names}
    missing = [layer for layer, path in found.items() if path is None]
    other = [layer for layer in missing if not of_text_encoder(layer)]
    if other:
        model = family(other)
        name = next(iter(names[other[0]].values()))
        raise DisMoError(
            f"{source} is a LoRA for another model{f' ({model})' if model else ''}: the model here has no layer that {_short(name)} "
            f"fits ({len(other)} of its {len(names)} layers are unknown). Use a LoRA made for {made_for}."
        )
    if missing:
        name = next(iter(names[missing[0]].values()))
        raise DisMoError(
            f"{source} changes the text encoder, too ({len(missing)} of its {len(names)} layers, such as {_short(name)}), and only changes "
            f"of the video model are applied: the result would not be what was trained. Use a LoRA for {made_for} that was trained "
            "without the text encoder."
        )
    paths = {layer: path for layer, path in found.items() if path is not None}
    first: dict[str, str] = {}
    for layer, path in paths.items():
        if first.setdefault(path, layer) != layer:
            raise DisMoError(
                f"{source} holds two updates of {path}, as {_short(first[path])} and as {_short(layer)}: two files have been mixed. {_MEND}"
            )
    return paths


def _update(
    tensors: Mapping[str, Tensor],
    parts: Mapping[str, str],
    path: str,
    linear: nn.Module,
    declared: Declared,
    source: str,
    made_for: str,
) -> LowRank:
    """The update of one layer, checked."""
    for half, other in ((DOWN, UP), (UP, DOWN)):
        if half not in parts:
            there = parts.get(other) or parts[ALPHA]
            raise DisMoError(
                f"{source} is a broken LoRA: beside {_short(there)} the {half} half of the update is missing. {_MEND}"
            )
    if not isinstance(linear, nn.Linear):
        raise DisMoError(
            f"{source} changes {path} ({_short(parts[DOWN])}), a {type(linear).__name__}: only changes of linear layers are applied. "
            f"Use a LoRA for {made_for} that was trained on linear layers."
        )
    down, up = (_matrix(tensors[parts[half]], parts[half], source) for half in (DOWN, UP))
    if down.shape[0] != up.shape[1]:
        raise DisMoError(
            f"{source} is a broken LoRA: {_short(parts[DOWN])} {list(down.shape)} has rank {down.shape[0]}, {_short(parts[UP])} "
            f"{list(up.shape)} has rank {up.shape[1]}. {_MEND}"
        )
    for name, matrix, wrong in (
        (parts[DOWN], down, down.shape[1] != linear.in_features),
        (parts[UP], up, up.shape[0] != linear.out_features),
    ):
        if wrong:
            model = family_by_width(path, down.shape[1])
            raise DisMoError(
                f"{source} is a LoRA for another model{f' ({model})' if model else ''}: {_short(name)} {list(matrix.shape)} does not fit "
                f"{path}, which takes {linear.in_features} numbers and gives {linear.out_features}. Use a LoRA made for {made_for}."
            )
    rank = down.shape[0]
    if ALPHA in parts:
        return LowRank(down, up, alpha_value(tensors[parts[ALPHA]], parts[ALPHA], source) / rank)
    return LowRank(down, up, declared.scale(path, rank))


def _matrix(tensor: Tensor, name: str, source: str) -> Tensor:
    """A half of an update, checked by itself."""
    if tensor.dtype not in FLOATS:
        raise DisMoError(
            f"{source} is a broken LoRA: {_short(name)} holds {str(tensor.dtype).removeprefix('torch.')}, not floating-point numbers that "
            f"can be read. Save it as float16, bfloat16 or float32."
        )
    if tensor.dim() != 2 or not tensor.numel():
        raise DisMoError(
            f"{source} is a broken LoRA: {_short(name)} has the shape {list(tensor.shape)}, which is no matrix with numbers in it. {_MEND}"
        )
    if tensor.itemsize == 1:
        tensor = tensor.to(torch.bfloat16)  # has all values of float8
    if not bool(tensor.isfinite().all()):
        raise DisMoError(
            f"{source} is a broken LoRA: {_short(name)} holds numbers that are NaN or infinite. Its training failed; use an earlier save."
        )
    return tensor


def _short(name: str) -> str:
    return repr(name if len(name) <= 160 else f"{name[:160]}...")
