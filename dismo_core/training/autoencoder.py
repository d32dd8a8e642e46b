"""The small autoencoder of dismo-tiny: TAESD's classes at a sixth of the width, trained on drawn frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .clips import ClipGenerator


class AutoencoderObjective(nn.Module):
    """Reconstruction plus a pull of the latents to zero mean and unit variance, so that noise and data have one scale."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """frames [B,H,W,3] in -1..1 -> loss, mean squared error, PSNR in dB."""
        x = frames.movedim(-1, 1)
        z = self.autoencoder.encode(x).latents
        # A little noise on the latents keeps the decoder steady against the generator's errors.
        y = self.autoencoder.decode(z + 0.1 * torch.randn_like(z)).sample
        mse = F.mse_loss(y, x)
        edges = sum(F.l1_loss(y.diff(dim=axis), x.diff(dim=axis)) for axis in (-1, -2))
        mean, variance = z.mean(dim=(0, 2, 3)), z.var(dim=(0, 2, 3))
        spread = mean.square().mean() + variance.clamp_min(1e-6).log().square().mean()
        loss = 4 * mse + 0.5 * F.l1_loss(y, x) + 0.5 * edges + 0.02 * spread
        return {"loss": loss, "mse": mse, "psnr": -10 * torch.log10(mse / 4)}


def autoencoder_losses(objective: AutoencoderObjective, clips: ClipGenerator, batch: int) -> Any:
    """step -> losses of a fresh batch of drawn frames."""
    return lambda step: objective(clips.pictures(step, batch))
