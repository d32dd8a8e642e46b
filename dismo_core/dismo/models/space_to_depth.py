"""The plainest autoencoder: squares of pixels as channels. Loses nothing, learns nothing."""

from __future__ import annotations

from types import SimpleNamespace

from torch import Tensor, nn
from torch.nn import functional as F


class SpaceToDepth(nn.Module):
    """Squares of `factor` x `factor` pixels become 3 factor^2 channels; the interface is that of diffusers' `AutoencoderTiny`.

    Where frames are as small as dismo-tiny's, a learned autoencoder of its size costs more detail (a seventh of the gradient
    energy is left after one pass, a thirtieth after six) than the denoiser saves in work.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.config = SimpleNamespace(latent_channels=3 * factor**2)

    def encode(self, x: Tensor) -> SimpleNamespace:
        """[B,3,H,W] -> `latents` [B, 3 factor^2, H/factor, W/factor]."""
        return SimpleNamespace(latents=F.pixel_unshuffle(x, self.factor))

    def decode(self, z: Tensor) -> SimpleNamespace:
        """The inverse; the result is in `sample`."""
        return SimpleNamespace(sample=F.pixel_shuffle(z, self.factor))
