"""Plain low-rank updates inside frozen linears, several on one, each switched by its scale (Hu et al. 2021, arXiv:2106.09685, 4.1).

    y = W x + b + sum over adapters of  scale * Dropout(U D x)

A pair (U, D) lies inside the frozen linear as a child, called by a forward hook: the linear keeps its class and its place, so
quantisation and offloading still find it, and the pair travels with the block that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError
from .conditional import Matrix

NAME = "low_rank_updates"


@dataclass
class Setting:
    """How the pairs of one adapter act; they share it.

    Args:
        scale: factor on the update; 0 = off.
        frozen: whether the matrices are constants: no gradient reaches them.
    """

    scale: float = 1.0
    frozen: bool = False


class LowRankPair(nn.Module):
    """U [d_out, rank] and D [rank, d_in] of one linear; U begins at zero, D normal with deviation 1 / rank.

    Args:
        linear: that it is for.
        rank: of the update; at most the smaller side of the linear.
        dropout: share of the update's numbers that are dropped in training.
        setting: of the adapter that it is part of.
    """

    def __init__(self, linear: nn.Linear, rank: int, dropout: float, setting: Setting) -> None:
        super().__init__()
        rank = min(rank, linear.in_features, linear.out_features)
        where = linear.weight.device
        self.lora_up = Matrix(rank, linear.out_features, bias=False, device=where, dtype=torch.float32)
        self.lora_down = Matrix(linear.in_features, rank, bias=False, device=where, dtype=torch.float32)
        nn.init.zeros_(self.lora_up.weight)
        nn.init.normal_(self.lora_down.weight, std=1 / rank)
        self.dropout = dropout
        self.setting = setting

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        """Input and output of the frozen linear -> its output with the update."""
        scale = self.setting.scale
        if scale == 0:
            return output
        up, down = self.lora_up.weight, self.lora_down.weight
        if self.setting.frozen:
            up, down = up.detach(), down.detach()
        update = F.linear(F.linear(x, down.to(x.dtype)), up.to(x.dtype))
        if self.dropout and self.training:
            update = F.dropout(update, self.dropout)
        return torch.add(output, update, alpha=scale)

    def replace(self, up: Tensor, down: Tensor) -> None:
        """Other matrices, of any rank, in the place of these."""
        for matrix, value in ((self.lora_up, up), (self.lora_down, down)):
            held = matrix.weight
            matrix.weight = nn.Parameter(value.to(held.device, torch.float32).clone(), held.requires_grad)
            matrix.out_features, matrix.in_features = value.shape


def attach(linear: nn.Module, pairs: Iterable[LowRankPair]) -> None:
    """Put pairs into a frozen linear.

    Raises:
        DisMoError: it has some already.
    """
    if hasattr(linear, NAME):
        raise DisMoError(
            "This base model carries low-rank adapters already, and would follow both. Remove the first (remove()), or load the base a "
            "second time."
        )
    updates = nn.ModuleList(pairs)
    linear.add_module(NAME, updates)
    updates.hook = linear.register_forward_hook(_add_updates)  # type: ignore[assignment]


def detach(linear: nn.Module) -> None:
    """Leave the linear as it was before `attach`."""
    updates = linear.get_submodule(NAME)
    updates.hook.remove()  # type: ignore[operator, union-attr]
    delattr(linear, NAME)


def _add_updates(linear: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    for pair in linear.get_submodule(NAME).children():
        output = pair(args[0], output)
    return output
