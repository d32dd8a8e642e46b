"""The losses of the three stages, as modules that several processes can wrap."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion import GaussianDiffusion
from ..losses import reconstruction_loss
from ..lpips import LPIPS
from ..models.autoencoder import ContentMotionAutoencoder
from ..models.content_dit import ContentDiT
from ..models.motion_dit import MotionDiT
from .stand_ins import StandIn, as_encoded


class AutoencoderObjective(nn.Module):
    """Reconstruction, and exchange: the motion of one clip on the content of another that moves alike.

    Args:
        autoencoder: that is trained.
        perceptual: LPIPS; None = without.
        decibels: whether the loss is minus the mean PSNR of the clips (docs/methods/content_motion.md, 6.3) and not the published one:
            each clip counts alike, however little moves in it.
        smooth: weight of `roughness` in the loss: without it the content frame may hide the frames of its clip in a raster of pixels,
            which a blur or a brush destroys, and with it what moves.
    """

    LEAST = 4e-4  # squared error, of -1..1: better than 40 dB is hardly rewarded

    def __init__(
        self,
        autoencoder: ContentMotionAutoencoder,
        perceptual: LPIPS | None = None,
        decibels: bool = False,
        smooth: float = 0.0,
    ) -> None:
        super().__init__()
        self.autoencoder, self.perceptual, self.decibels, self.smooth = autoencoder, perceptual, decibels, smooth

    def forward(
        self, clips: Tensor, others: Tensor | None, frame: Tensor, stand_in: StandIn = as_encoded
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            clips: [B,C,L,H,W].
            others: clips that move alike, whose contents and motions are exchanged; None = each clip is reconstructed.
            frame: int64 [B], or [2B] with others; which frame LPIPS compares.
            stand_in: what is decoded in the place of the content frames, see `stand_ins`.
        """
        shown = clips if others is None else torch.cat((clips, others))
        (content, motion), weights = self.autoencoder.encode_with_weights(shown)
        if others is not None:
            motion = motion.roll(len(clips), 0)
        content, shown = stand_in(content, shown)
        made = self.autoencoder.decode(content, motion)
        parts = reconstruction_loss(shown, made, self.autoencoder.mode, self.perceptual, frame)
        if self.decibels:
            squared = (made.float() - shown).square().flatten(1).mean(dim=1)
            loss = (squared + self.LEAST).log().mean()
            parts |= {"psnr": 10 * (4 / squared.detach().clamp(min=1e-10)).log10().mean(), "loss": loss}
        if self.smooth:
            rough = roughness(weights)
            parts |= {"roughness": rough.detach(), "loss": parts["loss"] + self.smooth * rough}
        if others is None:
            return parts
        return {"loss": parts["loss"]} | {f"exchange_{name}": value for name, value in parts.items() if name != "loss"}


def roughness(weights: Tensor) -> Tensor:
    """How much neighbouring pixels of content frames come from other frames: mean squared difference, summed over the frames.

    Args:
        weights: [B,C,L,H,W], see `ContentMotionAutoencoder.content_weights`.
    """
    across, down = (weights.diff(dim=dim).square().sum(dim=2).mean() for dim in (-1, -2))
    return across + down


class DiffusionObjective(nn.Module):
    """The loss of a diffusion model, mean over the batch.

    Args:
        model: that is trained.
        condition: name of its input beside the noisy sample and the time: "content" or "labels".
    """

    def __init__(self, model: MotionDiT | ContentDiT, condition: str) -> None:
        super().__init__()
        self.model, self.condition = model, condition
        self.diffusion = GaussianDiffusion()

    def forward(self, x0: Tensor, t: Tensor, noise: Tensor, condition: Tensor) -> dict[str, Tensor]:
        """x0 [B,...], t int64 [B], noise like x0, condition [B,...] -> loss, mse, vlb."""
        given: dict[str, Any] = {self.condition: condition}
        parts = self.diffusion.loss(self.model, x0, t, noise, **given)
        return {name: value.mean() for name, value in parts.items()}


def clip_seeds(places: range, seed: int) -> list[int]:
    """A seed for each clip, of the seed of the run and of the clip's place in it; see `Share.places`."""
    return [(seed * 1_000_003 + place) % 2**63 for place in places]


def drawn_noise(places: range, seed: int, shape: torch.Size, steps: int) -> tuple[Tensor, Tensor]:
    """Times int64 [B] and noise [B,*shape], each a function of the seed and of the clip's place in the run.

    Args:
        places: numbers of the clips; see `Share.places`.
        seed: of the run.
        shape: of a sample.
        steps: of the diffusion.
    """
    times, noise = [], []
    for own in clip_seeds(places, seed):
        generator = torch.Generator().manual_seed(own)
        times.append(torch.randint(steps, (), generator=generator))
        noise.append(torch.randn(shape, generator=generator))
    return torch.stack(times), torch.stack(noise)
