"""Clips in other colors: a motion that is taken from them cannot tell the colors of the clip (ours)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 0.3  # standard deviation of what is added to a channel, of -1..1
RAMP = 500  # steps, over which the colors of a training go from nearly their own to any


def recolored(clips: Tensor, amount: float, seeds: Sequence[int]) -> Tensor:
    """Clips whose colors are turned about a random axis and shifted, the same in all frames.

    Args:
        clips: [B, 3, ...] in -1..1.
        amount: 0 = as they are, 1 = up to half a turn.
        seeds: B, one for each clip.
    """
    rotations, shifts = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        x, y, z = (
            amount
            * math.pi
            * torch.rand((), generator=generator)
            * F.normalize(torch.randn(3, generator=generator), dim=0)
        ).tolist()
        rotations.append(torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])))
        shifts.append(amount * SHIFT * torch.randn(3, generator=generator))
    turned = torch.einsum("bij,bj...->bi...", torch.stack(rotations).to(clips), clips)
    return (turned + torch.stack(shifts).to(clips).view(len(clips), 3, *(1,) * (clips.dim() - 2))).clamp(-1, 1)


def in_other_colors(clips: Tensor, number: int, share: float, seeds: Sequence[int]) -> tuple[Tensor, Tensor] | None:
    """Every second clip of a batch and the same in other colors, in a share of the batches; else None.

    Args:
        clips: [B, 3, ...] in -1..1.
        number: of the batch in the run.
        share: of the batches.
        seeds: B, one for each clip.
    """
    if int((number + 1) * share + 0.5) == int(number * share + 0.5):
        return None
    return clips[::2], recolored(clips[::2], min(1.0, (number + 1) / RAMP), seeds[::2])
