"""The parts of a CogVideoX model: what a memory plan moves, and which linears are stored in fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from ..memory.plan import Part
from .geometry import BLOCK_LINEARS

if TYPE_CHECKING:
    from .base import CogVideoXBase


def cogvideox_parts(base: CogVideoXBase, frames: int) -> dict[str, Part]:
    """The parts of a CogVideoX model for a plan, with estimates of their workspace.

    The factors are counted bytes of the full-size model, and some more (`benchmarks/workspace.py` compares them).

    Args:
        base: with whatever was added to its transformer.
        frames: of the video.
    """
    config: Any = base.transformer.config
    pictures: Any = base.vae.config
    latent_frames = (frames - 1) // config.temporal_compression_ratio + 1
    cells = latent_frames * (config.sample_height // config.patch_size) * (config.sample_width // config.patch_size)
    width = config.num_attention_heads * config.attention_head_dim
    # The widest point of a block is its feed-forward with the adapter's update: thrice four widths, and what is kept beside.
    half = 18 * width * (config.max_text_seq_length + cells) * base.transformer.dtype.itemsize
    # The VAE decodes eight frames at a time; widest at full size before its last stage.
    pixels = pictures.sample_height * pictures.sample_width
    decoding = 12 * 8 * pixels * pictures.block_out_channels[1] * base.vae.dtype.itemsize
    tile = base.vae.tile_sample_min_height * base.vae.tile_sample_min_width
    parts = {
        "transformer": Part(base.transformer, base.transformer, 2 * half, half, repeated=True),
        "vae": Part(base.vae, None, decoding, decoding * tile // pixels),
    }
    if base.text_encoder is not None:
        t5: Any = base.text_encoder.config
        work = 10 * config.max_text_seq_length * max(t5.d_ff, t5.d_kv * t5.num_heads) * base.text_encoder.dtype.itemsize
        parts["text_encoder"] = Part(base.text_encoder, base.text_encoder.encoder, work)
    return parts


def block_linears(transformer: nn.Module) -> list[str]:
    """Names of the large linears of every block, see `BLOCK_LINEARS`; those that are stored in fewer bits."""
    return [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("transformer_blocks.") and name.endswith(BLOCK_LINEARS)
    ]
