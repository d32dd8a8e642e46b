"""The autoencoder of the tiny base: an encoder towards thumbnails (`latents.py`), and a decoder that paints them sharp."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ...imports import importing
from ...synthetic.captioned import SIZE, CaptionedClips, draw_captioned
from ...synthetic.draws import Draws
from ...synthetic.outlines import HARMONICS, wavy_outline
from ...synthetic.renderer import DrawnObject, Screen, Texture, Trajectory, render
from .latents import CHANNELS, FACTOR, thumbnail_latents

with importing("diffusers"):
    from diffusers import AutoencoderKL

NOISE = 0.3  # largest deviation of the noise on the latents that the decoder is trained to see through
OBJECT_WEIGHT = 5.0  # of a pixel on or near the object, against 1 on the ground
SPREAD = math.log(0.03**2)  # the encoder's log variance: a latent is nearly certain
FREE = 0.3  # share of pictures with colors and outlines that no caption names: other people's clips


def new_autoencoder() -> Any:
    """diffusers' AutoencoderKL: factor 8, 12 channels, 0.32 M weights."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 32, 32),
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=SIZE,
        scaling_factor=1.0,
        force_upcast=False,
    )


def draw_pictures(count: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """Pictures [B, 3, 64, 64] in -1..1 and how much of each pixel the object covers, [B, 64, 64]."""
    free = int(FREE * count)
    clips = _one_frame(draw_captioned(count - free, draws), draws)
    drawn = clips.rendered()[:, 0].movedim(-1, 1), clips.coverage()[:, 0]
    others = _free_pictures(free, draws)
    return torch.cat((drawn[0], others[0])), torch.cat((drawn[1], others[1]))


def _one_frame(clips: CaptionedClips, draws: Draws) -> CaptionedClips:
    """A random frame of each."""
    count, frames = clips.trajectory.angle.shape
    at = (torch.arange(count), draws.integers(0, frames, count))
    way = clips.trajectory
    one = Trajectory(way.place[at][:, None], way.log_scale[at][:, None], way.angle[at][:, None])
    return CaptionedClips(**(vars(clips) | {"trajectory": one}))


def _free_pictures(count: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """As `draw_pictures`: an object of any wavy outline and color on a ground of any color."""
    amplitude = draws.randn(count, HARMONICS) * draws.tensor(0.0, 0.2, 0.16, 0.12, 0.08)
    ground, skin = draws.rand(count, 3), draws.rand(count, 3)
    radius = 5 + 8 * draws.rand(count)
    drawn = DrawnObject(
        wavy_outline(amplitude, 2 * math.pi * draws.rand(count, HARMONICS)), Texture(skin[..., None, None]), radius
    )
    none = torch.zeros(count, 1)
    place = (2 * draws.rand(count, 1, 2) - 1) * (SIZE / 2 - radius)[:, None, None]
    still = Trajectory(torch.stack((none, none), dim=-1), none, none)
    where = Trajectory(place, none, none)
    image, covered = render(Texture(ground[..., None, None]), [(drawn, where)], Screen(SIZE), still)
    return image[:, :, 0] * 2 - 1, covered[0][:, 0]


class AutoencoderObjective:
    """Losses of a batch of drawn pictures.

    Args:
        model: as of `new_autoencoder`.
        pictures: in a batch.
        seed: of the pictures.
    """

    def __init__(self, model: Any, pictures: int = 16, seed: int = 0) -> None:
        self.model, self.pictures, self.seed = model, pictures, seed

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Losses of batch `number`: of encoder and decoder, and the decoder's signal to noise ratio in dB."""
        draws = Draws(self.seed + number)
        pictures, covered = draw_pictures(self.pictures, draws)
        target = thumbnail_latents(F.avg_pool2d(pictures, FACTOR // 2).movedim(1, -1))
        found = self.model.encode(pictures).latent_dist
        deviation = NOISE * draws.rand(len(target), 1, 1, 1) ** 2
        painted = cast(Tensor, self.model.decode(target + deviation * draws.randn(*target.shape)).sample)
        near = F.max_pool2d((covered > 0).float(), 5, 1, 2)[:, None]
        error = painted.float() - pictures
        weight = 1 + (OBJECT_WEIGHT - 1) * near
        decoder = (weight * (error.square() + 0.3 * error.abs())).mean()
        encoder = F.mse_loss(found.mean.float(), target)
        spread = (found.logvar.float() - SPREAD).square().mean()
        loss = decoder + encoder + 1e-3 * spread
        psnr = -10 * (error.square().mean() / 4).log10()
        return {"loss": loss, "decoder": decoder, "encoder": encoder, "psnr": psnr}
