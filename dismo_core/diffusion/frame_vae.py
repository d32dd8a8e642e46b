"""Clips through an autoencoder of pictures, frame by frame: memory does not grow with the clip."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def encode_frames(
    vae: Any, frames: Tensor, *, noise: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Latents of a clip, a sample of the posterior: (mean + deviation * noise) * scaling.

    Args:
        vae: diffusers' AutoencoderKL.
        frames: [B,F,3,H,W] in -1..1.
        noise: of the posterior, [B*F,C,h,w], the frames of a clip one after the other; None = drawn.
        generator: draws it; None = the common one.

    Returns:
        [B,C,F,h,w], scaled, in the VAE's dtype.
    """
    dtype, device = vae.dtype, vae.device
    scaling = float(vae.config.scaling_factor)
    encoded = []
    for i, frame in enumerate(frames.flatten(0, 1)):
        posterior = vae.encode(frame[None].to(device, dtype)).latent_dist
        mean = posterior.mean
        if noise is None:
            where = device if generator is None else generator.device
            drawn = torch.randn(mean.shape, generator=generator, device=where)
        else:
            drawn = noise[i : i + 1]
        encoded.append((mean + posterior.std * drawn.to(device, dtype)) * scaling)
    latents: Tensor = torch.cat(encoded).unflatten(0, frames.shape[:2])
    return latents.transpose(1, 2)


@torch.no_grad()
def decode_frames(vae: Any, latents: Tensor) -> Tensor:
    """Frames of latents; fractions of a grey level are cut off, not rounded.

    Args:
        vae: diffusers' AutoencoderKL.
        latents: [B,C,F,h,w], scaled.

    Returns:
        uint8 [B,F,H,W,3] on the CPU.
    """
    scaling = float(vae.config.scaling_factor)
    decoded = []
    for frame in latents.transpose(1, 2).flatten(0, 1):
        picture = vae.decode((frame[None] / scaling).to(vae.device, vae.dtype)).sample.float()
        decoded.append(((picture / 2 + 0.5).clamp(0, 1) * 255).to(torch.uint8).cpu())
    video: Tensor = torch.cat(decoded).unflatten(0, (len(latents), latents.shape[2]))
    return video.movedim(2, -1)
