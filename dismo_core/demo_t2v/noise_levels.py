"""The noise levels that the network is told by number (docs/methods/demo_t2v.md, 4)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

LEVELS = 1000
PUBLISHED = (0.00085, 0.012)  # first and last beta


@cache
def alphas_cumprod(betas: tuple[float, float] = PUBLISHED) -> Tensor:
    """Share of the signal's power at each of the 1000 noise levels, float64.

    Args:
        betas: the first and the last; the roots of those between them are evenly spaced.
    """
    first, last = betas
    return (1 - torch.linspace(first**0.5, last**0.5, LEVELS, dtype=torch.float64) ** 2).cumprod(dim=0)
