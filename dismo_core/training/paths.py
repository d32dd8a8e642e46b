"""Motion laws of drawn clips: rates per frame step that stay, change, turn, swing, stop or reverse."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def rates(batch: int, steps: int, limit: float, rng: Generator) -> Tensor:
    """Planar rates [batch, steps, 2] per frame step, each of length about 0..limit.

    A third keeps its rate; the others speed up or slow down, curve, swing, or change at a random moment to a stop,
    the reverse or a new direction.
    """
    k = torch.arange(steps)[None]
    start = _disc(batch, limit, rng)
    speed = start.norm(dim=-1, keepdim=True)
    angle = torch.atan2(start[:, 1:], start[:, :1])
    kind = torch.randint(0, 9, (batch,), generator=rng)

    keep = start[:, None].expand(-1, steps, -1)
    end = torch.rand(batch, 1, generator=rng) * limit
    ramp = (speed + (end - speed) * k / (steps - 1))[..., None] * _unit(angle)
    curve = speed[..., None] * _unit(angle + (torch.rand(batch, 1, generator=rng) - 0.5) * 0.9 * k)
    period = 5 + 9 * torch.rand(batch, 1, generator=rng)
    phase = 2 * math.pi * torch.rand(batch, 1, generator=rng)
    swing = (1.3 * speed * torch.cos(2 * math.pi * k / period + phase))[..., None] * _unit(angle)
    when = torch.randint(1, steps, (batch, 1), generator=rng)
    turn = torch.tensor([math.pi, math.pi / 2, -math.pi / 2])[torch.randint(0, 3, (batch, 1), generator=rng)]
    after = torch.stack((torch.zeros_like(start), speed * _unit(angle + turn)[:, 0], _disc(batch, limit, rng)), dim=1)
    after = after[torch.arange(batch), torch.randint(0, 3, (batch,), generator=rng)]
    change = torch.where((k < when)[..., None], start[:, None], after[:, None])
    begin = torch.where((k < when)[..., None], torch.zeros(1, 1, 2), start[:, None])

    choices = torch.stack((keep, keep, keep, ramp, curve, swing, change, change, begin), dim=1)
    return choices[torch.arange(batch), kind]


def positions(rate: Tensor, times: Tensor) -> Tensor:
    """Integrate rates [B, steps, 2] to positions [B, N, 2] at times [B, N] (frame steps, 0..steps); 0 at time 0."""
    whole = torch.cat((torch.zeros_like(rate[:, :1]), rate.cumsum(dim=1)), dim=1)
    index = times.floor().long().clamp(max=rate.shape[1] - 1)[..., None].expand(-1, -1, 2)
    part = times[..., None] - index
    return whole.gather(1, index) + part * rate.gather(1, index)


def _disc(batch: int, limit: float, rng: Generator) -> Tensor:
    """Vectors of uniform length 0..limit in any direction, [batch, 2]."""
    length = limit * torch.rand(batch, 1, generator=rng)
    return length * _unit(2 * math.pi * torch.rand(batch, 1, generator=rng))[:, 0]


def _unit(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), dim=-1)
