"""Random textures of the training clips: noise of many spectra, stripes, checks, dots and ramps, in random colors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .draws import Draws
from .noise import colored_noise

SIDE = 128


def texture_pool(count: int, draws: Draws) -> Tensor:
    """`count` textures [count, 3, 128, 128] in 0..1, periodic, contrast near full; a function of `draws` alone."""
    kinds = draws.integers(0, 10, count).tolist()
    fields = torch.stack([_field(kind, draws) for kind in kinds])
    # Mixing independent fields by a random matrix gives colors that are correlated, as in most pictures.
    main = draws.randn(count, 3, 1)
    side = 0.35 * draws.randn(count, 3, 2)
    mixed = torch.einsum("nck,nkhw->nchw", torch.cat((main, side), dim=-1), fields)
    mixed = mixed / mixed.flatten(1).std(dim=1)[:, None, None, None].clamp_min(1e-3)
    base = 0.8 * draws.randn(count, 3, 1, 1)
    return torch.sigmoid(mixed + base)


def _field(kind: int, draws: Draws) -> Tensor:
    """Three periodic fields [3, 128, 128] of unit variance."""
    if kind < 6:
        out = _noise(draws.uniform(1.0, 2.6), draws)
    elif kind < 8:
        out = torch.stack([_waves(draws) for _ in range(3)])
        out = torch.tanh(out * draws.uniform(0.5, 4.0))
    elif kind == 8:
        out = _noise(2.2, draws)
        out = torch.tanh(6 * out)
    else:
        out = 0.3 * _noise(1.6, draws) + torch.stack([_waves(draws) for _ in range(3)])
    out = out - out.mean(dim=(1, 2), keepdim=True)
    return out / out.std(dim=(1, 2), keepdim=True).clamp_min(1e-3)


def _noise(exponent: float, draws: Draws) -> Tensor:
    stretch, angle = draws.rand(2).tolist()
    phases = torch.view_as_complex(draws.randn(3, SIDE, SIDE // 2 + 1, 2))
    return colored_noise(phases, lambda f: (f + 1.0) ** -exponent, math.pi * angle, across=1 + 1.5 * stretch)


def _waves(draws: Draws) -> Tensor:
    """One or two plane waves with whole periods: stripes, checks, dots."""
    axis = torch.arange(SIDE, device=draws.device) * (2 * math.pi / SIDE)
    out = torch.zeros(SIDE, SIDE, device=draws.device)
    for _ in range(int(draws.integers(1, 3))):
        ky, kx = draws.integers(-12, 13, 2).tolist()
        phase = float(draws.rand()) * 2 * math.pi
        out = out + torch.cos(ky * axis[:, None] + kx * axis[None] + phase)
    return out + 1e-3 * draws.randn(SIDE, SIDE)
