"""Random textures for drawn clips: noise of many spectra, stripes, checks, dots and ramps, in random colours."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

SIDE = 128


def texture_pool(count: int, rng: Generator) -> Tensor:
    """`count` textures [count, 3, 128, 128] in 0..1, periodic, contrast near full; a function of `rng` alone."""
    kinds = torch.randint(0, 10, (count,), generator=rng).tolist()
    fields = torch.stack([_field(kind, rng) for kind in kinds])
    # Mixing independent fields by a random matrix gives colours that are correlated, as in most pictures.
    main = torch.randn(count, 3, 1, generator=rng)
    side = 0.35 * torch.randn(count, 3, 2, generator=rng)
    mixed = torch.einsum("nck,nkhw->nchw", torch.cat((main, side), dim=-1), fields)
    mixed = mixed / mixed.flatten(1).std(dim=1)[:, None, None, None].clamp_min(1e-3)
    base = 0.8 * torch.randn(count, 3, 1, 1, generator=rng)
    return torch.sigmoid(mixed + base)


def _field(kind: int, rng: Generator) -> Tensor:
    """Three periodic fields [3, 128, 128] of unit variance."""
    if kind < 6:
        out = _noise(float(torch.empty(()).uniform_(1.0, 2.6, generator=rng)), rng)
    elif kind < 8:
        out = torch.stack([_waves(rng) for _ in range(3)])
        out = torch.tanh(out * float(torch.empty(()).uniform_(0.5, 4.0, generator=rng)))
    elif kind == 8:
        out = _noise(2.2, rng)
        out = torch.tanh(6 * out)
    else:
        out = 0.3 * _noise(1.6, rng) + torch.stack([_waves(rng) for _ in range(3)])
    out = out - out.mean(dim=(1, 2), keepdim=True)
    return out / out.std(dim=(1, 2), keepdim=True).clamp_min(1e-3)


def _noise(exponent: float, rng: Generator) -> Tensor:
    fy = torch.fft.fftfreq(SIDE)[:, None] * SIDE
    fx = torch.fft.rfftfreq(SIDE)[None] * SIDE
    stretch, angle = torch.rand(2, generator=rng).tolist()
    c, s, stretch = math.cos(math.pi * angle), math.sin(math.pi * angle), 1 + 1.5 * stretch
    radius = torch.sqrt((c * fx + s * fy).square() + (stretch * (c * fy - s * fx)).square())
    spectrum = (radius + 1.0) ** -exponent
    spectrum[0, 0] = 0
    phases = torch.view_as_complex(torch.randn(3, *spectrum.shape, 2, generator=rng))
    noise: Tensor = torch.fft.irfft2(phases * spectrum, s=(SIDE, SIDE))
    return noise


def _waves(rng: Generator) -> Tensor:
    """One or two plane waves with whole periods: stripes, checks, dots."""
    axis = torch.arange(SIDE) * (2 * math.pi / SIDE)
    out = torch.zeros(SIDE, SIDE)
    for _ in range(int(torch.randint(1, 3, (), generator=rng))):
        ky, kx = torch.randint(-12, 13, (2,), generator=rng).tolist()
        phase = float(torch.rand((), generator=rng)) * 2 * math.pi
        out = out + torch.cos(ky * axis[:, None] + kx * axis[None] + phase)
    return out + 1e-3 * torch.randn(SIDE, SIDE, generator=rng)
