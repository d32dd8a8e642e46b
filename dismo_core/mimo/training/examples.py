"""What training shows the networks: pictures of one clip, and a batch of them as latents (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...synthetic.draws import Draws
from ..network_inputs import picture_for_clip, picture_for_pose, picture_for_vae

NOISE_OFFSET = 0.05
DROP = 0.1  # probability of a row without the reference
Pictures = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Example:
    """One clip, cropped to squares; pictures uint8 [h, w, 3] of any size.

    Args:
        targets: F frames of the character in the scene.
        backgrounds: the scene without it.
        bodies: its body on black.
        reference: the character on white.
    """

    targets: Pictures
    backgrounds: Pictures
    bodies: Pictures
    reference: NDArray[np.uint8]


class Encoders:
    """The frozen parts, VAE and image encoder, and the size at which examples are shown.

    Args:
        vae: diffusers AutoencoderKL.
        image_encoder: transformers CLIPVisionModelWithProjection.
        size: width and height of targets, px.
        device: where they run.
    """

    def __init__(self, vae: Any, image_encoder: Any, size: int, device: torch.device | str = "cpu") -> None:
        self.vae, self.image_encoder = (part.to(device).eval().requires_grad_(False) for part in (vae, image_encoder))
        self.size, self.device = size, torch.device(device)

    @torch.no_grad()
    def latents(self, pictures: Pictures) -> Tensor:
        """Scaled mean latents [N, 4, size / 8, size / 8]; one picture at a time on a GPU, where they are large."""
        shown = torch.cat([picture_for_vae(picture, self.size, self.size) for picture in pictures])
        rows = shown.split(len(shown) if self.device.type == "cpu" else 1)
        means = [self.vae.encode(row.to(self.device)).latent_dist.mean.float() for row in rows]
        return torch.cat(means) * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def contexts(self, pictures: Pictures) -> Tensor:
        """Embeddings [N, 1, D]."""
        side = int(self.image_encoder.config.image_size)
        shown = torch.cat([picture_for_clip(picture, side) for picture in pictures]).to(self.device)
        embeddings: Tensor = self.image_encoder(shown).image_embeds.float()
        return embeddings[:, None]

    def bodies(self, examples: Sequence[Example]) -> Tensor:
        """Pictures [B, 3, F, size, size], 0..1."""
        rows = [torch.stack([picture_for_pose(b, self.size, self.size) for b in e.bodies], 1) for e in examples]
        return torch.stack(rows).to(self.device)


def loss_inputs(examples: Sequence[Example], encoders: Encoders, draws: Draws) -> dict[str, Any]:
    """What `training_loss` takes beside the networks: latents, and what is drawn, in this order: timesteps, noise, its offset, drops.

    Args:
        examples: of equally many frames.
        encoders: see there.
        draws: a stream of its own for each batch.
    """
    rows, frames = len(examples), len(examples[0].targets)
    pictures = [p for e in examples for p in (*e.targets, *e.backgrounds)] + [e.reference for e in examples]
    latents = encoders.latents(pictures)
    clips = latents[:-rows].unflatten(0, (rows, 2, frames)).movedim(2, 3)  # [B, 2, 4, F, h, w]
    timesteps = draws.integers(0, 1000, rows)
    noise = draws.randn(*clips[:, 0].shape) + NOISE_OFFSET * draws.randn(rows, 4, 1, 1, 1)
    drop = draws.rand(rows) < DROP
    return {
        "latents": clips[:, 0],
        "background": clips[:, 1],
        "reference_latent": latents[-rows:],
        "context": encoders.contexts([e.reference for e in examples]),
        "poses": encoders.bodies(examples),
        "timesteps": timesteps.to(encoders.device),
        "noise": noise.to(encoders.device),
        "drop": drop,
    }
