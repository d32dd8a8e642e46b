"""Parts of MIMO from single files, as ComfyUI keeps them: an SD1.5 checkpoint, a VAE, a CLIP vision model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..imports import importing
from ..weights.files import differences, read_weights
from .models.from_sd15 import CONV_IN
from .models.unet import CHANNELS

_UNET = "model.diffusion_model."  # before the UNet's names in a checkpoint of Stable Diffusion
_HEAD = 64  # width of a head of CLIP's vision models


def unet_from_file(path: Path) -> dict[str, Tensor]:
    """The UNet in a checkpoint of Stable Diffusion 1.5, or in a file of the UNet alone, in diffusers' names.

    Raises:
        DisMoError: no such UNet.
    """
    tensors = read_weights(path, unwrap=True).tensors
    if CONV_IN in tensors:
        return tensors
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(_UNET)}
    if not own:
        raise DisMoError(
            f"{path} holds no UNet of Stable Diffusion: no name begins with {_UNET}, and there is no {CONV_IN}. Give an SD1.5 checkpoint."
        )
    with importing("diffusers"):
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    config = {
        "layers_per_block": 2,
        "block_out_channels": CHANNELS,
        "class_embed_type": None,
        "addition_embed_type": None,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }
    converted: dict[str, Tensor] = convert_ldm_unet_checkpoint(dict(own), config)
    return converted


def vae_from_file(path: Path, dtype: torch.dtype) -> Any:
    """A VAE of Stable Diffusion from a file in diffusers' or the original names.

    Raises:
        DisMoError: not such a VAE.
    """
    return vae_from_tensors(read_weights(path, unwrap=True).tensors, str(path), dtype)


def vae_from_tensors(tensors: Mapping[str, Tensor], source: str, dtype: torch.dtype) -> Any:
    """The same from its tensors.

    Args:
        tensors: in diffusers' or the original names.
        source: where they come from, for messages.
        dtype: of the result.

    Raises:
        DisMoError: not such a VAE.
    """
    with importing("diffusers"):
        from diffusers import AutoencoderKL
        from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    prefix = next((p for p in ("first_stage_model.", "vae.", "") if f"{p}encoder.conv_in.weight" in tensors), None)
    if prefix is None:
        raise DisMoError(
            f"{source} holds no VAE: there is no encoder.conv_in.weight. Give a VAE of Stable Diffusion 1.5."
        )
    parts = tuple(f"{prefix}{part}" for part in ("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(parts)}
    original = "encoder.down.0.block.0.conv1.weight" in own
    first = "encoder.down.{}.block.0.conv1.weight" if original else "encoder.down_blocks.{}.resnets.0.conv1.weight"
    layer = "encoder.down.0.block.{}.conv1.weight" if original else "encoder.down_blocks.0.resnets.{}.conv1.weight"
    channels = [own[first.format(n)].shape[0] for n in range(_count(own, first))]
    config: dict[str, Any] = {
        "block_out_channels": channels,
        "layers_per_block": _count(own, layer),
        "latent_channels": own["quant_conv.weight"].shape[0] // 2 if "quant_conv.weight" in own else 4,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
    }
    if original:
        own = convert_ldm_vae_checkpoint(dict(own), config)
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
    return _assigned(vae, own, source, dtype)


def image_encoder_from_file(path: Path, dtype: torch.dtype) -> Any:
    """A CLIP vision model with its projection from a file in transformers' names, as ComfyUI keeps them.

    Raises:
        DisMoError: not such a model.
    """
    with importing("transformers"):
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    tensors = read_weights(path).tensors
    patch = tensors.get("vision_model.embeddings.patch_embedding.weight")
    places = tensors.get("vision_model.embeddings.position_embedding.weight")
    inner = tensors.get("vision_model.encoder.layers.0.mlp.fc1.weight")
    projection = tensors.get("visual_projection.weight")
    if patch is None or places is None or inner is None or projection is None:
        raise DisMoError(
            f"{path} holds no CLIP vision model with a projection. Give CLIP ViT-L/14 as ComfyUI keeps it, with visual_projection.weight."
        )
    config = CLIPVisionConfig(
        hidden_size=patch.shape[0],
        intermediate_size=inner.shape[0],
        num_hidden_layers=_count(tensors, "vision_model.encoder.layers.{}.mlp.fc1.weight"),
        num_attention_heads=max(1, patch.shape[0] // _HEAD),
        patch_size=patch.shape[-1],
        image_size=round((places.shape[0] - 1) ** 0.5) * patch.shape[-1],
        projection_dim=projection.shape[0],
    )
    encoder = CLIPVisionModelWithProjection(config)
    own = {name: tensor for name, tensor in tensors.items() if not name.endswith("position_ids")}
    return _assigned(encoder, own, str(path), dtype)


def _assigned(module: Any, tensors: Mapping[str, Tensor], source: str, dtype: torch.dtype) -> Any:
    found = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    if problem := differences(module.state_dict(), found):
        raise DisMoError(f"{source} does not fit {type(module).__name__}. {problem}. Check that it is the right file.")
    module.load_state_dict(found, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def _count(tensors: Mapping[str, Tensor], name: str) -> int:
    """How many of the names there are, counted up from 0."""
    number = 0
    while name.format(number) in tensors:
        number += 1
    return number
