"""Trajectories of the training clips: rates per frame step that stay, change, turn, swing, stop or reverse."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from .draws import Draws
from .renderer import Trajectory


@dataclass(frozen=True)
class Trajectories:
    """How objects and camera move in B clips: rates per frame step in px, log scale and radians.

    Args:
        object: [B, 2 objects, steps, 2], px.
        object_turn: [B, 2, steps, 2], (log scale, angle).
        camera: [B, steps, 2], px.
        camera_turn: [B, steps, 2], (log scale, angle).
    """

    object: Tensor
    object_turn: Tensor
    camera: Tensor
    camera_turn: Tensor

    def cpu(self) -> Trajectories:
        """The same on the CPU."""
        return Trajectories(*(getattr(self, part.name).cpu() for part in fields(self)))

    def of_camera(self, times: Tensor) -> Trajectory:
        """The camera at times [B, N] (frame steps)."""
        turn = positions(self.camera_turn, times)
        return Trajectory(positions(self.camera, times), turn[..., 0], turn[..., 1])

    def of_object(self, number: int, start: Tensor, times: Tensor) -> Trajectory:
        """Object 0 or 1 from `start` [B, 2] on, at times [B, N] (frame steps)."""
        turn = positions(self.object_turn[:, number], times)
        place = start[:, None] + positions(self.object[:, number], times)
        return Trajectory(place, turn[..., 0], turn[..., 1])

    @property
    def camera_moves(self) -> Tensor:
        """In which clips it does, bool [B]."""
        return self.camera.abs().sum((1, 2)) + self.camera_turn.abs().sum((1, 2)) > 0

    @property
    def object_moves(self) -> Tensor:
        """In which clips one of the objects does, bool [B]."""
        return self.object.abs().sum((1, 2, 3)) + self.object_turn.abs().sum((1, 2, 3)) > 0


def draw_trajectories(
    clips: int, steps: int, unit: float, pace: float, difficulty: float, turning: float, draws: Draws
) -> Trajectories:
    """Trajectories of `clips` clips over `steps` frame steps.

    Args:
        unit: px that stand for one of a picture of 64.
        pace: factor on every rate.
        difficulty: 0 = one object that moves, under a camera that stands still; 1 = everything.
        turning: share of them that are growth or rotation on the spot, 0..1.
        draws: source of chance.
    """
    unit = pace * unit
    roll = draws.rand(clips)
    mixed = roll < 0.16 * difficulty
    camera_only = (roll >= 0.16) & (roll < 0.16 + 0.30 * difficulty)
    still = roll > 0.95
    moving_object = ~camera_only & ~still
    moving_camera = mixed | camera_only
    turn = draws.rand(clips)
    shift = turn > turning * difficulty  # else it grows or turns on the spot
    turns = (turn < (turning + 0.1) * difficulty)[:, None, None]

    objects = torch.stack([rates(clips, steps, 4.0 * unit, draws) for _ in range(2)], dim=1)
    object_turn = torch.stack([rates(clips, steps, pace, draws) for _ in range(2)], dim=1) * draws.tensor(0.14, 0.24)
    one_kind = F.one_hot(draws.integers(0, 2, clips), 2).float()[:, None]
    camera = rates(clips, steps, 3.2 * unit, draws)
    camera_turn = rates(clips, steps, pace, draws) * draws.tensor(0.07, 0.10) * one_kind
    return Trajectories(
        object=objects * (moving_object & shift)[:, None, None, None],
        object_turn=object_turn * one_kind[:, None] * (turns & moving_object[:, None, None])[:, None],
        camera=camera * (moving_camera & shift)[:, None, None],
        camera_turn=camera_turn * (turns & moving_camera[:, None, None]),
    )


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
