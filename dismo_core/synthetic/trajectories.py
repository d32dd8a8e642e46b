"""Motion laws of drawn clips: rates per frame step that stay, change, turn, swing, stop or reverse."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .draws import Draws


def rates(batch: int, steps: int, limit: float, draws: Draws) -> Tensor:
    """Planar rates [batch, steps, 2] per frame step, each of length about 0..limit.

    A third keeps its rate; the others speed up or slow down, curve, swing, or change at a random moment to a stop,
    the reverse or a new direction.
    """
    k = torch.arange(steps, device=draws.device)[None]
    start = _disc(batch, limit, draws)
    speed = start.norm(dim=-1, keepdim=True)
    angle = torch.atan2(start[:, 1:], start[:, :1])
    kind = draws.integers(0, 9, batch)
    each = torch.arange(batch, device=draws.device)

    keep = start[:, None].expand(-1, steps, -1)
    end = draws.rand(batch, 1) * limit
    ramp = (speed + (end - speed) * k / (steps - 1))[..., None] * _unit(angle)
    curve = speed[..., None] * _unit(angle + (draws.rand(batch, 1) - 0.5) * 0.9 * k)
    period = 5 + 9 * draws.rand(batch, 1)
    phase = 2 * math.pi * draws.rand(batch, 1)
    swing = (1.3 * speed * torch.cos(2 * math.pi * k / period + phase))[..., None] * _unit(angle)
    when = draws.integers(1, steps, batch, 1)
    turns = torch.tensor([math.pi, math.pi / 2, -math.pi / 2], device=draws.device)
    turn = turns[draws.integers(0, 3, batch, 1)]
    after = torch.stack((torch.zeros_like(start), speed * _unit(angle + turn)[:, 0], _disc(batch, limit, draws)), dim=1)
    after = after[each, draws.integers(0, 3, batch)]
    change = torch.where((k < when)[..., None], start[:, None], after[:, None])
    begin = torch.where((k < when)[..., None], torch.zeros_like(start[:1, None]), start[:, None])

    choices = torch.stack((keep, keep, keep, ramp, curve, swing, change, change, begin), dim=1)
    return choices[each, kind]


def positions(rate: Tensor, times: Tensor) -> Tensor:
    """Integrate rates [B, steps, 2] to positions [B, N, 2] at times [B, N] (frame steps, 0..steps); 0 at time 0."""
    whole = torch.cat((torch.zeros_like(rate[:, :1]), rate.cumsum(dim=1)), dim=1)
    index = times.floor().long().clamp(max=rate.shape[1] - 1)[..., None].expand(-1, -1, 2)
    part = times[..., None] - index
    return whole.gather(1, index) + part * rate.gather(1, index)


def _disc(batch: int, limit: float, draws: Draws) -> Tensor:
    """Vectors of uniform length 0..limit in any direction, [batch, 2]."""
    length = limit * draws.rand(batch, 1)
    return length * _unit(2 * math.pi * draws.rand(batch, 1))[:, 0]


def _unit(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), dim=-1)
