"""Vertices that move with the Gaussians around them (docs/methods/gaussians4d.md, 7.5)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .gaussians import Gaussians, rotation_matrices

NEIGHBOURS = 8
CANDIDATES = 32  # nearest means, among which the nearest by Mahalanobis distance are taken
CHUNK = 2048


class Binding:
    """Vertices bound to their nearest Gaussians.

    Args:
        vertices: [V,3], where the Gaussians are as `gaussians` says.
        gaussians: N.
    """

    @torch.no_grad()
    def __init__(self, vertices: Tensor, gaussians: Gaussians) -> None:
        means, turn = gaussians.means, rotation_matrices(gaussians.rotations)
        self._back = turn.mT
        count = min(NEIGHBOURS, len(means))
        index, weight, offset = [], [], []
        for begin in range(0, len(vertices), CHUNK):
            part = vertices[begin : begin + CHUNK]
            near = torch.cdist(part, means).topk(min(CANDIDATES, len(means)), largest=False).indices
            away = part[:, None] - means[near]
            local = (turn[near].mT @ away[..., None])[..., 0] / gaussians.scales[near]
            square = local.square().sum(-1)
            best = square.topk(count, largest=False).indices
            index.append(near.gather(1, best))
            weight.append((-0.5 * square.gather(1, best)).softmax(dim=1))
            offset.append(away.gather(1, best[..., None].expand(-1, -1, 3)))
        self.index, self.weight, self.offset = torch.cat(index), torch.cat(weight), torch.cat(offset)

    @torch.no_grad()
    def move(self, gaussians: Gaussians) -> Tensor:
        """Vertices [V,3] where the same Gaussians are elsewhere: each takes its vertex along as a rigid body, weighted."""
        turn = rotation_matrices(F.normalize(gaussians.quaternions, dim=-1)) @ self._back
        moved = (turn[self.index] @ self.offset[..., None])[..., 0] + gaussians.means[self.index]
        return (self.weight[..., None] * moved).sum(1)
