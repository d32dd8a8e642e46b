"""A picture of latents for little: one matrix instead of the VAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

# Red, green and blue, -1..1, of each of the 16 channels of CogVideoX's latents. The numbers are those of
# ComfyUI-CogVideoXWrapper (kijai and contributors, Apache-2.0), latent_preview.py, to five digits.
FACTORS = (
    (0.11946, 0.09919, -0.00483),
    (-0.00120, 0.05497, 0.02132),
    (-0.01409, -0.00870, -0.02099),
    (0.03064, 0.12186, 0.01396),
    (0.09274, 0.03029, 0.05083),
    (0.03791, 0.04935, 0.05856),
    (0.01775, 0.00884, 0.03601),
    (0.10610, 0.02340, 0.05715),
    (0.12736, -0.01096, 0.04327),
    (-0.01874, 0.08221, 0.10613),
    (0.00843, 0.07624, 0.09296),
    (0.12938, 0.12360, 0.04479),
    (0.04566, 0.04106, -0.01770),
    (0.00019, -0.01397, 0.05330),
    (0.08082, 0.11548, -0.02146),
    (-0.01518, -0.00580, 0.07217),
)


def preview(latents: Tensor) -> Image | None:
    """The middle latent frame of [1,K,C,h,w] as a picture of w x h px; None where C is not CogVideoX's 16."""
    from PIL import Image

    if latents.shape[2] != len(FACTORS):
        return None
    middle = latents[0, latents.shape[1] // 2].float().cpu()
    rgb = torch.einsum("chw,cr->hwr", middle, torch.tensor(FACTORS))
    return Image.fromarray(((rgb + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy())
