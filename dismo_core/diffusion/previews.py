"""A picture of latents for little: one matrix instead of the VAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


def latent_preview(
    latents: Tensor, factors: Sequence[tuple[float, float, float]], size: tuple[int, int] | None = None
) -> Image | None:
    """The middle latent frame of [1,K,C,h,w] as a picture; None where there are not C factors.

    Args:
        factors: red, green and blue, -1..1, of each latent channel.
        size: (height, width) of the picture, px, as the result has it; None = that of the latents.
    """
    from PIL import Image

    if latents.shape[2] != len(factors):
        return None
    middle = latents[0, latents.shape[1] // 2].float().cpu()
    rgb = torch.einsum("chw,cr->hwr", middle, torch.tensor(factors))
    picture = Image.fromarray(((rgb + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy())
    return picture if size is None else picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
