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
    mean, deviation = frame_posteriors(vae, frames)
    if noise is None:
        where = mean.device if generator is None else generator.device
        shape = (len(mean) * mean.shape[2], mean.shape[1], *mean.shape[3:])
        noise = torch.randn(shape, generator=generator, device=where)
    drawn = noise.unflatten(0, (len(mean), mean.shape[2])).transpose(1, 2)
    latents: Tensor = mean + deviation * drawn.to(mean)
    return latents


@torch.no_grad()
def frame_posteriors(vae: Any, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents of a clip.

    Args:
        vae: diffusers' AutoencoderKL.
        frames: [B,F,3,H,W] in -1..1.

    Returns:
        Both [B,C,F,h,w], scaled, in the VAE's dtype.
    """
    scaling = float(vae.config.scaling_factor)
    found = [vae.encode(frame[None].to(vae.device, vae.dtype)).latent_dist for frame in frames.flatten(0, 1)]
    mean, deviation = (
        torch.cat(parts).unflatten(0, frames.shape[:2]).transpose(1, 2) * scaling
        for parts in ([posterior.mean for posterior in found], [posterior.std for posterior in found])
    )
    return mean, deviation


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
