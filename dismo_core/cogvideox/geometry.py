"""The numbers of CogVideoX-5B-I2V, for weight files that come without a config (docs/methods/dismo.md, 7.1 and 7.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The large matrices of a block: what carries the LoRA, and what is stored in fewer bits.
BLOCK_LINEARS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2")


@dataclass(frozen=True)
class Geometry:
    """Configs of a base's parts, as their folders hold them.

    Args:
        transformer: diffusers config.
        vae: diffusers config.
        scheduler: diffusers config.
        text_encoder: transformers T5 config.
    """

    transformer: Mapping[str, Any]
    vae: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    scheduler: Mapping[str, Any]


COGVIDEOX_5B_I2V = Geometry(
    transformer={
        "num_attention_heads": 48,
        "attention_head_dim": 64,
        "in_channels": 32,
        "out_channels": 16,
        "time_embed_dim": 512,
        "ofs_embed_dim": None,
        "text_embed_dim": 4096,
        "num_layers": 42,
        "attention_bias": True,
        "sample_width": 90,
        "sample_height": 60,
        "sample_frames": 49,
        "patch_size": 2,
        "patch_size_t": None,
        "temporal_compression_ratio": 4,
        "max_text_seq_length": 226,
        "activation_fn": "gelu-approximate",
        "norm_eps": 1e-5,
        "spatial_interpolation_scale": 1.875,
        "temporal_interpolation_scale": 1.0,
        "use_rotary_positional_embeddings": True,
        "use_learned_positional_embeddings": True,
    },
    vae={
        "block_out_channels": (128, 256, 256, 512),
        "latent_channels": 16,
        "layers_per_block": 3,
        "norm_num_groups": 32,
        "sample_height": 480,
        "sample_width": 720,
        "scaling_factor": 0.7,
        "temporal_compression_ratio": 4,
        "invert_scale_latents": False,
    },
    text_encoder={
        "vocab_size": 32128,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": False,
        "use_cache": False,
        "tie_word_embeddings": False,
    },
    scheduler={
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "snr_shift_scale": 1.0,
        "timestep_spacing": "trailing",
        "set_alpha_to_one": True,
        "clip_sample": False,
        "steps_offset": 0,
    },
)

# Red, green and blue, -1..1, of each of the 16 channels of CogVideoX's latents. The numbers are those of
# ComfyUI-CogVideoXWrapper (kijai and contributors, Apache-2.0), latent_preview.py, to five digits.
LATENT_COLORS = (
    (0.11946, 0.09919, -0.00483),
    (-0.00120, 0.05497, 0.02132),
    (-0.01409, -0.00870, -0.02099),
    (0.03064, 0.12186, 0.01396),
    (0.09274, 0.03029, 0.05083),
    (0.03791, 0.04935, 0.05856),
    (0.01775, 0.00884, 0.03601),
    (0.10610, 0.02340, 0.05715),
    (0.12736, -0.01096, 0.04327),
    (-0.01874, 0.08221, 0.10613),
    (0.00843, 0.07624, 0.09296),
    (0.12938, 0.12360, 0.04479),
    (0.04566, 0.04106, -0.01770),
    (0.00019, -0.01397, 0.05330),
    (0.08082, 0.11548, -0.02146),
    (-0.01518, -0.00580, 0.07217),
)
