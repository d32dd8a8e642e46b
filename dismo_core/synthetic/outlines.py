"""Outlines of the training clips: a circle whose radius goes up and down with the angle, its edge one px soft."""

from __future__ import annotations

import torch
from torch import Tensor

from .renderer import Outline

HARMONICS = 5
NARROWEST = 0.35  # of the radius


def wavy_outline(amplitude: Tensor, phase: Tensor) -> Outline:
    """Radius 1 + sum over k of amplitude cos((k + 1) angle + phase), k = 1..4; what it covers of a pixel goes by the distance.

    Args:
        amplitude: [B, 5], shares of the radius; the first is not looked at.
        phase: [B, 5], radians; the first is not looked at.
    """

    def coverage(local: Tensor, radius: Tensor) -> Tensor:
        angle = torch.atan2(local[..., 1], local[..., 0])
        edge = torch.ones_like(angle)
        for k in range(1, HARMONICS):
            a, p = amplitude[:, k], phase[:, k]
            edge = edge + a[:, None, None, None] * torch.cos((k + 1) * angle + p[:, None, None, None])
        inside = (edge.clamp_min(NARROWEST) - local.norm(dim=-1)) * radius[..., None, None]
        covered: Tensor = (inside + 0.5).clamp(0, 1)
        return covered

    return coverage
