"""The sizes of the networks, told from their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

# At 64 px the last level sees a single place, and 32 channels would each be a group of the motion modules' norms: so the
# weights of the tiny model lie where there is something to see.
TINY_CHANNELS = (64, 64, 64, 64)


def unet_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sizes of a UNet, told from its tensors; heads and groups, which they do not tell, are Stable Diffusion's."""
    try:
        channels, level = [], 0
        while (conv := tensors.get(f"down_blocks.{level}.resnets.0.conv1.weight")) is not None:
            channels.append(conv.shape[0])
            level += 1
        layers = sum(f"down_blocks.0.resnets.{number}.conv1.weight" in tensors for number in range(8))
        context = tensors["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1]
        return {"channels": channels, "layers": layers or 2, "cross_attention_dim": context}
    except (KeyError, IndexError):
        return {}  # of the full size, against which the differences are told


def guider_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sizes of a pose guider, told from its tensors."""
    try:
        channels = [tensors["conv_in.weight"].shape[0]]
        channels += [tensors[f"blocks.{number}.weight"].shape[0] for number in (1, 3, 5)]
        return {"channels": channels, "out_channels": tensors["conv_out.weight"].shape[0]}
    except (KeyError, IndexError):
        return {}


def positions(tensors: Mapping[str, Tensor]) -> int:
    """Frames that the motion modules tell apart: the longest window."""
    table = tensors.get(
        "mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    )
    return 32 if table is None or table.ndim != 3 else table.shape[1]
