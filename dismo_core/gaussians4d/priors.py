"""What a moving object does not do: stretch, jerk, leave its depth (docs/methods/gaussians4d.md, 12.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .ball import neighbours

NEIGHBOURS = 6


@dataclass(frozen=True)
class Priors:
    """Weights of terms in the loss; 0 leaves a term out.

    Args:
        rigid: neighbours keep their distances.
        smooth: positions of three frames in a row lie evenly.
        depth: nothing moves along the known view's axis, which one view cannot tell.
        plane: spatial planes of the field are smooth, as is the time of the next two.
        time: planes over time are smooth along it.
        l1: planes over time stay near 1, which is no motion.
    """

    rigid: float = 0.0
    smooth: float = 0.0
    depth: float = 0.0
    plane: float = 0.0
    time: float = 0.0
    l1: float = 0.0


# Starting weights of a fit without a network
SINGLE_VIEW = Priors(rigid=200.0, smooth=2e4, depth=20.0)


class Neighbourhood:
    """Distances between near Gaussians at the start.

    Args:
        means: [N,3].
    """

    @torch.no_grad()
    def __init__(self, means: Tensor) -> None:
        self.distance, self.index = neighbours(means, min(NEIGHBOURS, len(means) - 1))
        self.mean = self.distance.mean()
        self.weight = (-(self.distance / (2 * self.mean)).square()).exp()

    def rigid(self, means: Tensor) -> Tensor:
        """Mean weighted square of how far distances changed, in mean distances; means [F,N,3]."""
        away = means[:, self.index] - means[:, :, None]
        distance = (away.square().sum(-1) + 1e-12).sqrt()
        return (self.weight * ((distance - self.distance) / self.mean).square()).mean()
