"""The first stage of the tiny MIMO: its autoencoder, and an image encoder that tells how a figure looks."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...synthetic.draws import Draws
from ..drawn.figure import PARTS, Figure
from ..network_inputs import picture_for_clip, picture_for_vae
from .drawn_examples import SIZE, draw_examples
from .tiny_parts import CONTEXT, new_image_encoder, new_vae

FIGURE_WEIGHT = 4.0  # of a pixel that shows the figure, against 1 elsewhere
KL_WEIGHT = 1e-4
COLOR_WEIGHT = 2.0  # of the mean colors of 8 x 8 px
COLOR_STEPS = (
    2000  # over which those need no longer be read from the latents; left alone, outlines come long before colors
)
FACTOR = 8  # px to a latent
MEASURED = 64  # pictures whose latents give the scale


class TinyEncoders(nn.Module):
    """Autoencoder and image encoder; and, for training only, what reads colors from the latents and a figure from the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.vae: Any = new_vae()
        self.image_encoder: Any = new_image_encoder()
        self.colors = nn.Conv2d(self.vae.config.latent_channels, 3, 1)
        self.reader = nn.Linear(CONTEXT, len(described([Figure({part: (0.0, 0.0, 0.0) for part in PARTS})])[0]))


def described(figures: list[Figure]) -> Tensor:
    """[N, 14], about 0..1: colors of trousers, shirt and skin, the widths, the stripes."""
    rows = []
    for figure in figures:
        colors = [value for part in ("leg_near", "torso", "head") for value in figure.colors[part]]
        widths = [10 * width for width in (figure.legs, figure.arms, figure.torso, figure.head)]
        rows.append([*colors, *widths, 10 * figure.stripe])
    return torch.tensor(rows)


class EncoderObjective:
    """Losses of a batch of drawn figures, in and without scenes.

    Args:
        model: see there.
        figures: in a batch; each is shown in its pose and as a reference.
        seed: of the figures.
    """

    def __init__(self, model: TinyEncoders, figures: int, seed: int) -> None:
        self.model, self.figures, self.seed = model, figures, seed

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Losses of batch `number`; `psnr` in dB, of the autoencoder."""
        examples, figures = draw_examples(Draws(self.seed + number), self.figures)
        pictures = [e.targets[0] for e in examples] + [e.reference for e in examples]
        shown = torch.cat([picture_for_vae(picture, SIZE, SIZE) for picture in pictures])
        empty = torch.cat([picture_for_vae(e.backgrounds[0], SIZE, SIZE) for e in examples])
        empty = torch.cat((empty, torch.ones_like(empty)))  # references are on white
        near = F.max_pool2d(((shown - empty).abs().amax(1, keepdim=True) > 0.05).float(), 3, 1, 1)
        found = self.model.vae.encode(shown).latent_dist
        painted = cast(Tensor, self.model.vae.decode(found.sample()).sample).float()
        error = painted - shown
        autoencoder = ((1 + (FIGURE_WEIGHT - 1) * near) * (error.square() + 0.3 * error.abs())).mean()
        colors = F.avg_pool2d(error, FACTOR).square().mean()
        told = F.mse_loss(self.model.colors(found.mean).float(), F.avg_pool2d(shown, FACTOR))
        colors = colors + max(0.0, 1 - number / COLOR_STEPS) * told
        kl = found.kl().mean() / found.mean[0].numel()
        seen = torch.cat([picture_for_clip(e.reference, SIZE) for e in examples])
        read = self.model.reader(self.model.image_encoder(seen).image_embeds).float()
        look = F.mse_loss(read, described(figures))
        psnr = -10 * (error.square().mean() / 4).log10()
        loss = autoencoder + COLOR_WEIGHT * colors + KL_WEIGHT * kl + look
        return {"loss": loss, "autoencoder": autoencoder, "colors": colors, "kl": kl, "look": look, "psnr": psnr}


@torch.no_grad()
def set_scale(vae: Any, seed: int) -> None:
    """Let the scaled latents of drawn pictures have a deviation of 1, as those of Stable Diffusion have."""
    examples, _ = draw_examples(Draws(seed), MEASURED)
    shown = torch.cat([picture_for_vae(e.targets[0], SIZE, SIZE) for e in examples])
    deviation = float(vae.encode(shown).latent_dist.mean.std())
    vae.register_to_config(scaling_factor=round(1 / deviation, 4))
