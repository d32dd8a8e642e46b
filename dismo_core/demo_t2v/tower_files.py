"""A text or image tower from any of its clothes: OpenCLIP's names, transformers' names, a whole checkpoint that holds it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..memory.mmap_weights import adopt
from ..weights.base_folder import read_config
from ..weights.files import WeightFile
from ..weights.geometry import KEY
from ..weights.shards import opened, shards
from ..weights.unwrapped import read_unwrapped
from .models.towers import ImageTower, TextTower

IMAGE = "visual."
PREFIXES = ("cond_stage_model.model.", "conditioner.embedders.0.model.")  # of Stable Diffusion 2's checkpoints
HEAD_WIDTH = 64
COMPLETE = 24  # blocks of the published tower
_LAYERS = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip


def read_text_tower(path: Path, dtype: torch.dtype) -> TextTower:
    """A text tower in evaluation mode, without gradients; what the file holds beside it is not touched.

    Args:
        path: a weight file, or a `text_encoder` folder of diffusers.
        dtype: precision of its weights.

    Raises:
        DisMoError: no text tower in it, damaged, or of a shape that no tower has.
    """
    file = _text_file(path)
    tensors, told = file.tensors, json.loads(file.metadata.get(KEY, "{}"))
    found = [re.match(r"transformer\.resblocks\.(\d+)\.", name) for name in tensors]
    blocks = 1 + max((int(match[1]) for match in found if match), default=-1)
    if not blocks or "token_embedding.weight" not in tensors:
        raise DisMoError(
            f"{path} holds no text tower of OpenCLIP or CLIP: its names begin with {', '.join(sorted(tensors)[:3]) or 'none'}. Give "
            "open_clip_pytorch_model.bin, motion_encoder.pth, or the text encoder of SD 2.x."
        )
    complete = "text_projection" in tensors
    vocabulary, width = tensors["token_embedding.weight"].shape
    with torch.device("meta"):
        tower = TextTower(
            width=width,
            layers=blocks if complete else blocks + 1,
            heads=told.get("heads", max(1, width // HEAD_WIDTH)),
            embed_width=tensors["text_projection"].shape[1] if complete else width,
            vocabulary=vocabulary,
            length=len(tensors["positional_embedding"]),
            complete=complete,
            inner=len(tensors["transformer.resblocks.0.mlp.c_fc.bias"]),
            known=told.get("known"),
        )
    adopt(tower, tensors, dtype, str(path))
    return tower.eval().requires_grad_(False)


def read_image_tower(path: Path, dtype: torch.dtype = torch.float32) -> ImageTower:
    """The image tower in an OpenCLIP file, likewise.

    Raises:
        DisMoError: no image tower in it.
    """
    tensors = {n.removeprefix(IMAGE): v for n, v in read_unwrapped(path).tensors.items() if n.startswith(IMAGE)}
    if "conv1.weight" not in tensors:
        raise DisMoError(
            f"{path} holds no image tower (no names with {IMAGE}). It is in open_clip_pytorch_model.bin of the base."
        )
    width, _, patch, _ = tensors["conv1.weight"].shape
    side = round((len(tensors["positional_embedding"]) - 1) ** 0.5)
    layers = len({name.split(".")[2] for name in tensors if name.startswith("transformer.resblocks.")})
    heads = 16 if width == 1280 else max(1, width // HEAD_WIDTH)  # the published heads are 80 wide
    with torch.device("meta"):
        tower = ImageTower(width, layers, heads, patch, side * patch, tensors["proj"].shape[1])
    adopt(tower, tensors, dtype, str(path))
    return tower.eval().requires_grad_(False)


def _text_file(path: Path) -> WeightFile:
    """Tensors of the text tower alone, in OpenCLIP's names."""
    if path.is_dir():
        found: dict[str, Tensor] = {}
        for file in shards(path, "model"):
            with opened(file) as tensors:
                found |= {name: tensors.get_tensor(name) for name in tensors.keys()}
        told = {"heads": read_config(path)["num_attention_heads"]}
        return WeightFile(path, _from_transformers(found), {KEY: json.dumps(told)})
    whole = read_unwrapped(path)
    tensors = whole.tensors
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    if any("self_attn.q_proj" in name for name in tensors):
        return replace(whole, tensors=_from_transformers(tensors))
    own = {name: value for name, value in tensors.items() if not name.startswith(IMAGE) and name != "attn_mask"}
    return replace(whole, tensors=own)


def _from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """transformers' names of a CLIP text model to OpenCLIP's, without its last block where that is one too many."""
    plain = {re.sub(r"^(.*\.)?text_model\.", "", name): value for name, value in tensors.items()}
    numbers = {int(match[1]) for name in plain if (match := re.match(r"encoder\.layers\.(\d+)\.", name))}
    last = COMPLETE - 1 if len(numbers) == COMPLETE else len(numbers)
    found: dict[str, Tensor] = {}
    packed: dict[str, dict[str, Tensor]] = {}
    outer: dict[str, Any] = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    for name, value in plain.items():
        match = re.fullmatch(r"encoder\.layers\.(\d+)\.(.*)\.(weight|bias)", name)
        if match is None:
            if name in outer:
                found[outer[name]] = value
            continue
        number, layer, kind = int(match[1]), match[2], match[3]
        if number >= last:
            continue
        block = f"transformer.resblocks.{number}"
        if layer.endswith(("q_proj", "k_proj", "v_proj")):
            packed.setdefault(f"{block}.attn.in_proj_{kind}", {})[layer[-6]] = value
        else:
            found[f"{block}.{_LAYERS.get(layer, layer)}.{kind}"] = value
    return found | {name: torch.cat([parts[k] for k in "qkv" if k in parts]) for name, parts in packed.items()}
