"""Text to video as published by ModelScope, and ZeroScope: one small UNet for all frames (docs/methods/motiondirector.md, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..imports import lazily

if TYPE_CHECKING:
    from ..diffusion.ddim import invert_ddim, sample_ddim
    from ..diffusion.frame_vae import decode_frames, encode_frames
    from ..diffusion.noise_prior import mix_noise_prior, start_noise
    from .base import TextToVideoBase, load_text_to_video

__all__ = [
    "TextToVideoBase",
    "decode_frames",
    "encode_frames",
    "invert_ddim",
    "load_text_to_video",
    "mix_noise_prior",
    "sample_ddim",
    "start_noise",
]

_LAZY = {
    "TextToVideoBase": ".base",
    "decode_frames": "..diffusion.frame_vae",
    "encode_frames": "..diffusion.frame_vae",
    "invert_ddim": "..diffusion.ddim",
    "load_text_to_video": ".base",
    "mix_noise_prior": "..diffusion.noise_prior",
    "sample_ddim": "..diffusion.ddim",
    "start_noise": "..diffusion.noise_prior",
}


__getattr__ = lazily(__name__, _LAZY)
