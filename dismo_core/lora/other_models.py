"""Whose LoRA it is, where it does not fit: models told by the names of their layers, as published."""

from __future__ import annotations

import re
from collections.abc import Iterable

# In the order in which they are tried; `~` stands for what parts the words of a name, a dot or an underscore.
_FAMILIES = (
    ("Stable Diffusion or another UNet", r"(down|up|input|output)_blocks~\d|mid_block|middle_block"),
    (
        "Wan",
        r"(?<!transformer_)blocks~\d+~((self|cross)_attn~([qkvo]|[kv]_img)$|ffn~(0|2|net)|attn[12]~(to|add)_)",
    ),
    ("Mochi", r"transformer_blocks~\d+~attn1~(to_)?add_"),
    ("LTX-Video or PixArt", r"transformer_blocks~\d+~attn2~|adaln_single|patchify_proj|caption_projection"),
    ("Flux or HunyuanVideo", r"(double|single|single_transformer)_blocks~\d"),
    ("Flux, Stable Diffusion 3 or Qwen-Image", r"transformer_blocks~\d+~attn~|joint_(transformer_)?blocks~\d"),
)
_TEXT_ENCODER = re.compile(
    r"^lora_te|^text_encoder|^(cond_stage_model|conditioner|text_model|t5|te\d?)[._]|SelfAttention"
)
# Models whose blocks have CogVideoX's names: width -> model.
_WIDTHS = {1920: "CogVideoX-2B", 2048: "LTX-Video"}
_SAME_NAMES = re.compile(r"transformer_blocks\.\d+\.attn1\.to_[qkv]")


def family(layers: Iterable[str]) -> str | None:
    """The model that has layers of these names; None = unknown.

    Args:
        layers: names as the file has them.
    """
    marks = [(name, re.compile(mark.replace("~", "[._]"))) for name, mark in _FAMILIES]
    layers = list(layers)
    return next((name for name, mark in marks if any(mark.search(layer) for layer in layers)), None)


def family_by_width(layer: str, width: int) -> str | None:
    """The model that has a layer of this path with so many inputs; None = unknown."""
    return _WIDTHS.get(width) if _SAME_NAMES.fullmatch(layer) else None


def of_text_encoder(layer: str) -> bool:
    """Whether the layer is one of a text encoder."""
    return _TEXT_ENCODER.search(layer) is not None
