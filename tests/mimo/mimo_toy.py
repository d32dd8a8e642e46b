"""A MIMO of toy size with the weights of the goldens."""

from functools import cache

from diffusers import AutoencoderKL
from mimo_goldens import CONFIG, filled
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from dismo_core import mimo


@cache
def networks():
    """Reference UNet, denoising UNet, pose guider."""
    return (
        filled(mimo.ReferenceUNet(**CONFIG), "reference."),
        filled(mimo.DenoisingUNet(**CONFIG), "denoising."),
        filled(mimo.PoseGuider(32, channels=(4, 8, 12, 16)), "pose."),
    )


def make_vae():
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
    )


def make_image_encoder():
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=224,
            patch_size=56,
            projection_dim=24,
        )
    )


def pipeline(**options):
    reference, denoising, guider = networks()
    vae, encoder = filled(make_vae(), "vae."), filled(make_image_encoder(), "clip.")
    return mimo.MimoPipeline(reference, denoising, guider, vae, encoder, **options)
