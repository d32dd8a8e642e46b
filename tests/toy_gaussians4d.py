"""Toys of the networks that 4D uses, of their true architectures, in folders as the released ones; of no use as models."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)

from dismo_core.gaussians4d import LGM, MultiViewUNet

DREAM_UNET = dict(
    model_channels=32, attention_resolutions=[2], num_res_blocks=1, channel_mult=[1, 2], num_head_channels=16, context_dim=24, ip_dim=4,
)  # fmt: skip
LGM_SIZES = dict(
    down_channels=(32, 32, 32, 32), down_attention=(False, False, False, True), up_channels=(32, 32), up_attention=(True, False)
)  # fmt: skip
SMALL_VAE = dict(
    block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    norm_num_groups=2,
)  # fmt: skip
SMALL = dict(intermediate_size=8, num_attention_heads=2)


def save_svd(folder: Path) -> Path:
    """A Stable Video Diffusion in diffusers' format."""
    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 32), layers_per_block=1, sample_size=8, in_channels=8, out_channels=4, num_attention_heads=2,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"), cross_attention_dim=8,
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32), layers_per_block=1, latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 4
    )  # fmt: skip
    vision = CLIPVisionConfig(hidden_size=8, num_hidden_layers=1, patch_size=112, projection_dim=8, **SMALL)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction", interpolation_type="linear",
        use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0, timestep_spacing="leading", timestep_type="continuous", steps_offset=1,
    )  # fmt: skip
    StableVideoDiffusionPipeline(
        vae, CLIPVisionModelWithProjection(vision), unet, scheduler, CLIPImageProcessor()
    ).save_pretrained(folder)
    return folder


def save_zero123(folder: Path) -> Path:
    """A zero123 in diffusers' format."""
    torch.manual_seed(0)
    UNet2DConditionModel(
        in_channels=8, out_channels=4, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=768,
    ).save_pretrained(folder / "unet")  # fmt: skip
    AutoencoderKL(**SMALL_VAE).save_pretrained(folder / "vae")
    vision = CLIPVisionConfig(hidden_size=8, num_hidden_layers=1, patch_size=56, projection_dim=768, **SMALL)
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    (folder / "clip_camera_projection").mkdir()
    weights = {"proj.weight": 0.02 * torch.randn(768, 772), "proj.bias": torch.zeros(768)}
    save_file(weights, folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors")
    return folder


def save_lgm(file: Path, sizes: dict[str, tuple[object, ...]] = LGM_SIZES) -> Path:
    """An LGM as a file."""
    torch.manual_seed(0)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(LGM(**sizes).half().state_dict(), file)
    return file


def save_imagedream(folder: Path) -> Path:
    """An ImageDream in the folders of the released one."""
    torch.manual_seed(0)
    (folder / "unet").mkdir(parents=True)
    save_file(MultiViewUNet(**DREAM_UNET).state_dict(), folder / "unet/diffusion_pytorch_model.safetensors")
    (folder / "unet/config.json").write_text(json.dumps(DREAM_UNET | {"image_size": 32}))
    AutoencoderKL(**SMALL_VAE).save_pretrained(folder / "vae")
    vision = CLIPVisionConfig(hidden_size=1280, num_hidden_layers=2, patch_size=112, **SMALL)
    CLIPVisionModel(vision).save_pretrained(folder / "image_encoder")
    text = CLIPTextConfig(
        vocab_size=3, hidden_size=24, num_hidden_layers=1, max_position_embeddings=8, eos_token_id=1, bos_token_id=0, pad_token_id=1,
        **SMALL,
    )  # fmt: skip
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    (folder / "tokenizer").mkdir()
    vocabulary, merges = folder / "tokenizer/vocab.json", folder / "tokenizer/merges.txt"
    vocabulary.write_text(json.dumps(words))
    merges.write_text("#version: 0.2\n")
    CLIPTokenizer(str(vocabulary), str(merges), model_max_length=8).save_pretrained(folder / "tokenizer")
    return folder


def save_egg_lgm(file: Path) -> Path:
    """An LGM that makes one egg of four Gaussians of whatever it is shown: a shape that a fit can begin with."""
    torch.manual_seed(0)
    levels = 9  # 256 px to 1
    lgm = LGM((32,) * levels, (False,) * levels, False, (32,), (False,), layers=1)
    scales = torch.tensor([0.26, 0.15, 0.15])
    with torch.no_grad():
        lgm.conv.weight.zero_()
        lgm.conv.bias.copy_(
            torch.cat(
                (torch.tensor([0.0, 0, 0, 2]), (10 * scales).expm1().log(), torch.tensor([1.0, 0, 0, 0, 0, 0, 0]))
            )
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(lgm.state_dict(), file)
    return file
