"""The training objective (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..models.denoising_unet import DenoisingUNet
from ..models.pose_guider import PoseGuider
from ..models.reference_unet import ReferenceUNet
from ..schedule import DDIM


def training_loss(
    reference_unet: ReferenceUNet,
    denoising_unet: DenoisingUNet,
    pose_guider: PoseGuider,
    *,
    latents: Tensor,
    background: Tensor,
    reference_latent: Tensor,
    context: Tensor,
    poses: Tensor,
    timesteps: Tensor,
    noise: Tensor,
    drop: Tensor | Sequence[bool] | None = None,
    snr_gamma: float | None = 5.0,
) -> Tensor:
    """Mean square error of the velocity, weighted by Min-SNR; a number.

    A dropped row has zeros in place of the picture's embedding, also in the reference UNet, and sees no reference; its body and
    background stay.

    Args:
        reference_unet: see there.
        denoising_unet: see there.
        pose_guider: see there.
        latents: [B, 4, F, h, w], clean.
        background: [B, 4, F, h, w], latents; with 8 channels scene and occlusion, for a UNet of 12.
        reference_latent: [B, 4, h, w].
        context: [B, 1, D], embedding of the reference picture.
        poses: [B, 3, F, 8 h, 8 w], 0..1.
        timesteps: [B], 0..999.
        noise: [B, 4, F, h, w], with its offset.
        drop: for each row, whether it learns without the reference; None = none does.
        snr_gamma: weight of a row min(SNR + 1, gamma) / (SNR + 1), SNR = a / (1 - a); None = 1.
    """
    schedule = DDIM()
    dropped = [False] * len(latents) if drop is None else [bool(row) for row in drop]
    kept = torch.tensor([not row for row in dropped], device=context.device).to(context.dtype)
    context = context * kept[:, None, None]
    tokens = reference_unet(reference_latent, context)
    noisy = schedule.add_noise(latents, noise, timesteps)
    predicted = denoising_unet(
        torch.cat((noisy, background), 1),
        timesteps,
        context,
        pose=pose_guider(poses),
        reference=tokens,
        reference_rows=[not row for row in dropped],
    )
    target = schedule.velocity(latents, noise, timesteps)
    errors = (predicted.float() - target.float()).square().flatten(1).mean(1)
    loss: Tensor = (errors * loss_weights(schedule, timesteps, snr_gamma).to(errors.device)).mean()
    return loss


def loss_weights(schedule: DDIM, timesteps: Tensor, snr_gamma: float | None) -> Tensor:
    """Weight of each row, [B]; 1 where the signal is 0."""
    if snr_gamma is None:
        return torch.ones(len(timesteps))
    signal = schedule.alphas_cumprod[timesteps.cpu()].double()
    snr = signal / (1 - signal)
    return ((snr + 1).clamp(max=snr_gamma) / (snr + 1)).float()
