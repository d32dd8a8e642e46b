"""CMD: a clip as one picture and a small motion latent, edited apart and put together again. Importing this loads no torch."""

from __future__ import annotations

from ..imports import lazily

_LAZY = {
    "ContentDiT": ".models.content_dit",
    "ContentMotionAutoencoder": ".models.autoencoder",
    "ContentMotionModel": ".model",
    "GaussianDiffusion": ".diffusion",
    "LPIPS": ".lpips",
    "Latents": ".models.autoencoder",
    "MotionDiT": ".models.motion_dit",
    "MotionLatent": ".algebra",
    "VideoFolder": ".folder",
    "clip_tensor": ".clips",
    "decode_frames": ".encoding",
    "encode_frames": ".encoding",
    "held_still": ".models.autoencoder",
    "load_autoencoder": ".weights",
    "load_content_model": ".weights",
    "load_content_motion": ".weights",
    "load_lpips": ".lpips",
    "load_motion_model": ".weights",
    "reconstruction_loss": ".losses",
}
__all__ = sorted(_LAZY)


__getattr__ = lazily(__name__, _LAZY)
