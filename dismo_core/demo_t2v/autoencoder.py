"""The autoencoder of single frames: from its published (LDM) names to diffusers', and clips through it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..diffusion import frame_vae
from ..diffusion.finite import require_finite
from ..errors import DisMoError
from ..imports import importing
from ..weights.files import differences

SCALING = 0.18215
PREFIX = "first_stage_model."  # of its names in a whole checkpoint
REPLACEMENT = "Any SD 1.x VAE file does instead, such as vae-ft-mse-840000-ema-pruned.safetensors."
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def ldm_name(name: str, levels: int) -> str:
    """The name that a tensor of diffusers' AutoencoderKL has in latent diffusion's files (Rombach et al. 2022).

    Args:
        name: diffusers'.
        levels: of the autoencoder.
    """
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    for ours, theirs in _ATTENTION.items():
        name = name.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
    return name


def empty_autoencoder(channels: Sequence[int] = (128, 256, 512, 512), layers: int = 2) -> Any:
    """diffusers' AutoencoderKL on the meta device.

    Args:
        channels: of each level; 32 divides them.
        layers: residual blocks of a level.
    """
    with importing("diffusers"):
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    count = len(channels)
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * count,
            up_block_types=("UpDecoderBlock2D",) * count,
            block_out_channels=tuple(channels),
            layers_per_block=layers,
            latent_channels=4,
            scaling_factor=SCALING,
        )


def autoencoder_from_ldm(
    state_dict: Mapping[str, Tensor], channels: Sequence[int] = (128, 256, 512, 512), layers: int = 2
) -> Any:
    """diffusers' AutoencoderKL with weights in latent diffusion's names; strict.

    Args:
        state_dict: names without `first_stage_model.`; they keep their precision and, where they lie in a file, stay there.
        channels: see `empty_autoencoder`.
        layers: likewise.

    Raises:
        DisMoError: names or shapes that do not fit.
    """
    model = empty_autoencoder(channels, layers)
    wanted: dict[str, Tensor] = model.state_dict()
    names = {name: ldm_name(name, len(channels)) for name in wanted}
    there = {name: state_dict[ldm] for name, ldm in names.items() if ldm in state_dict}
    # the attention of these files is a convolution over single pixels
    found = {name: tensor[..., 0, 0] if tensor.ndim > wanted[name].ndim else tensor for name, tensor in there.items()}
    found |= {name: tensor for name, tensor in state_dict.items() if name not in names.values()}
    if problem := differences(wanted, found):
        raise DisMoError(f"These weights do not fit the autoencoder. {problem}. {REPLACEMENT}")
    model.load_state_dict(found, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def to_uint8(frames: Tensor) -> Tensor:
    """Grey levels of frames in -1..1, fractions cut off; every operation in the dtype of the frames.

    Args:
        frames: [..., 3, H, W].

    Returns:
        uint8 [..., H, W, 3].
    """
    return ((frames * 0.5 + 0.5).clamp(0, 1) * 255).to(torch.uint8).movedim(-3, -1)


@torch.no_grad()
def decode_frames(autoencoder: Any, latents: Tensor, frames_at_once: int = 16) -> Tensor:
    """Frames of latents, never more at once than asked for.

    Args:
        autoencoder: diffusers' AutoencoderKL.
        latents: scaled, [B, 4, F, h, w].
        frames_at_once: how many are decoded together.

    Returns:
        uint8 [B, F, H, W, 3] on the CPU.

    Raises:
        DisMoError: less than one at once, or NaN.
    """
    if frames_at_once < 1:
        raise DisMoError(f"At least one frame must be decoded at once, not {frames_at_once}.")
    flat = latents.transpose(1, 2).flatten(0, 1) / float(autoencoder.config.scaling_factor)
    parts = [
        to_uint8(
            require_finite(autoencoder.decode(part.to(autoencoder.device, autoencoder.dtype)).sample, "decoding")
        ).cpu()
        for part in flat.split(frames_at_once)
    ]
    clips: Tensor = torch.cat(parts).unflatten(0, (len(latents), latents.shape[2]))
    return clips


def encode_frames(autoencoder: Any, frames: Tensor, noise: Tensor | None = None) -> Tensor:
    """Scaled latents of single frames, a sample of the posterior.

    Args:
        autoencoder: diffusers' AutoencoderKL.
        frames: [N, 3, H, W] in -1..1.
        noise: of the posterior, [N, 4, h, w]; None = drawn from the common generator.

    Returns:
        [N, 4, h, w].
    """
    latents: Tensor = frame_vae.encode_frames(autoencoder, frames[None], noise=noise)[0]
    return latents.transpose(0, 1)
