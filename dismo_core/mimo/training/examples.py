"""What training shows the networks: pictures of one clip, and a batch of them as latents (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..network_inputs import picture_for_clip, picture_for_pose, picture_for_vae

Pictures = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Example:
    """One clip, cropped to squares; pictures uint8 [h, w, 3] of any size.

    Args:
        targets: F frames of the character in the scene.
        backgrounds: the scene without it.
        bodies: its body on black.
        reference: the character on white.
        fronts: what stands in front, on black, for networks of 12 channels; None = nothing does.
    """

    targets: Pictures
    backgrounds: Pictures
    bodies: Pictures
    reference: NDArray[np.uint8]
    fronts: Pictures | None = None


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

    def bodies(self, pictures: Pictures) -> Tensor:
        """Pictures [3, F, size, size], 0..1."""
        return torch.stack([picture_for_pose(p, self.size, self.size) for p in pictures], 1).to(self.device)


def encoded(examples: Sequence[Example], encoders: Encoders) -> dict[str, Tensor]:
    """What `training_loss` takes of examples with equally many frames: latents, embeddings, bodies."""
    rows, frames = len(examples), len(examples[0].targets)
    pictures = [p for e in examples for p in (*e.targets, *e.backgrounds)] + [e.reference for e in examples]
    latents = encoders.latents(pictures)
    clips = latents[:-rows].unflatten(0, (rows, 2, frames)).movedim(2, 3)  # [B, 2, 4, F, h, w]
    return {
        "latents": clips[:, 0],
        "background": clips[:, 1],
        "reference_latent": latents[-rows:],
        "context": encoders.contexts([e.reference for e in examples]),
        "poses": torch.stack([encoders.bodies(e.bodies) for e in examples]),
    }
