"""Plain low-rank updates inside frozen layers, several on one, each switched by its scale (Hu et al. 2021, arXiv:2106.09685, 4.1).

    y = W x + b + sum over adapters of  scale * Dropout(U D x)

A pair (U, D) lies inside the frozen layer as a child, called by a forward hook: the layer keeps its class and its place, so
quantisation and offloading still find it, and the pair travels with the block that it belongs to. Of a convolution the weight is
taken as a matrix, a row for each channel that comes out: D convolves, U mixes channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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


def sides(layer: nn.Module) -> tuple[int, int]:
    """Rows and columns of the weight of a linear or a convolution, taken as a matrix; known also where it is stored in fewer bits."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    weight: Any = layer.weight
    return weight.shape[0], weight[0].numel()


class LowRankPair(nn.Module):
    """U [d_out, rank] and D [rank, d_in] of one layer; U begins at zero, D normal with deviation 1 / rank.

    Args:
        layer: that it is for: a linear, or a Conv3d.
        rank: of the update; at most the smaller side of its weight.
        dropout: share of the update's numbers that are dropped in training.
        setting: of the adapter that it is part of.
    """

    def __init__(self, layer: nn.Linear | nn.Conv3d, rank: int, dropout: float, setting: Setting) -> None:
        super().__init__()
        rows, columns = sides(layer)
        rank = min(rank, rows, columns)
        where = layer.weight.device
        self.lora_up = Matrix(rank, rows, bias=False, device=where, dtype=torch.float32)
        self.lora_down = Matrix(columns, rank, bias=False, device=where, dtype=torch.float32)
        self.convolution = (layer.kernel_size, layer.stride, layer.padding) if isinstance(layer, nn.Conv3d) else None
        nn.init.zeros_(self.lora_up.weight)
        nn.init.normal_(self.lora_down.weight, std=1 / rank)
        self.dropout = dropout
        self.setting = setting

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        """Input and output of the frozen layer -> its output with the update."""
        scale = self.setting.scale
        if scale == 0:
            return output
        up, down = self.lora_up.weight, self.lora_down.weight
        if self.setting.frozen:
            up, down = up.detach(), down.detach()
        if self.convolution is None:
            update = F.linear(F.linear(x, down.to(x.dtype)), up.to(x.dtype))
        else:
            kernel, stride, padding = self.convolution
            narrow = F.conv3d(x, down.to(x.dtype).view(len(down), x.shape[1], *kernel), None, stride, padding)
            update = F.conv3d(narrow, up.to(x.dtype)[:, :, None, None, None])
        if self.dropout and self.training:
            update = F.dropout(update, self.dropout)
        if torch.is_grad_enabled():
            return torch.add(output, update, alpha=scale)
        return output.add_(update, alpha=scale)  # a layer's output is its caller's alone

    def replace(self, up: Tensor, down: Tensor) -> None:
        """Other matrices, of any rank, in the place of these."""
        for matrix, value in ((self.lora_up, up), (self.lora_down, down)):
            held = matrix.weight
            matrix.weight = nn.Parameter(value.to(held.device, torch.float32).clone(), held.requires_grad)
            matrix.out_features, matrix.in_features = value.shape


def attach(layer: nn.Module, pairs: Iterable[LowRankPair]) -> None:
    """Put pairs into a frozen layer.

    Raises:
        DisMoError: it has some already.
    """
    if hasattr(layer, NAME):
        raise DisMoError(
            "This base model carries low-rank adapters already, and would follow both. Remove the first (remove()), or load the base a "
            "second time."
        )
    updates = nn.ModuleList(pairs)
    layer.add_module(NAME, updates)
    updates.hook = layer.register_forward_hook(_add_updates)  # type: ignore[assignment]


def detach(layer: nn.Module) -> None:
    """Leave the layer as it was before `attach`."""
    updates = layer.get_submodule(NAME)
    updates.hook.remove()  # type: ignore[operator, union-attr]
    delattr(layer, NAME)


def _add_updates(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    for pair in layer.get_submodule(NAME).children():
        output = pair(args[0], output)
    return output
