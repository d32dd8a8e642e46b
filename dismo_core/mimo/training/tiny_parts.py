"""The parts of the tiny MIMO: the released classes at small widths, with an autoencoder and an image encoder of their own."""

from __future__ import annotations

from typing import Any

from ...imports import importing
from ..models.denoising_unet import DenoisingUNet
from ..models.pose_guider import PoseGuider
from ..models.reference_unet import ReferenceUNet
from ..models.sizes import TINY_CHANNELS
from .drawn_examples import SIZE
from .networks import Networks

HEADS, GROUPS, LAYERS, CONTEXT = 4, 8, 1, 32


def new_networks() -> Networks:
    """6.8 M weights."""
    sizes = {
        "channels": TINY_CHANNELS,
        "cross_attention_dim": CONTEXT,
        "heads": HEADS,
        "layers": LAYERS,
        "groups": GROUPS,
    }
    return Networks(
        ReferenceUNet(**sizes),  # type: ignore[arg-type]
        DenoisingUNet(**sizes),  # type: ignore[arg-type]
        PoseGuider(TINY_CHANNELS[0], channels=(8, 16, 32, 64)),
    )


def new_vae() -> Any:
    """diffusers AutoencoderKL: factor 8, 4 channels, as Stable Diffusion's."""
    with importing("diffusers"):
        from diffusers import AutoencoderKL
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 48, 48),
        layers_per_block=1,
        norm_num_groups=4,  # smaller groups hide how bright and how colored a picture is
        latent_channels=4,
        sample_size=SIZE,
        force_upcast=False,
    )


def new_image_encoder() -> Any:
    """transformers CLIPVisionModelWithProjection: two layers that see 64 patches."""
    with importing("transformers"):
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=SIZE,
            patch_size=8,
            projection_dim=CONTEXT,
        )
    )
