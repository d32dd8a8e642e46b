"""Rotary position embedding in two and three dimensions, and the positions it is fed (docs/methods/dismo.md, 3.4 and 3.5)."""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn

RotaryTable: TypeAlias = tuple[Tensor, Tensor]  # cosines and sines of the angles, each [heads, N, d]


def spatial_frequencies(heads: int, per_head: int) -> Tensor:
    """pi .. 10 pi (end excluded), log spaced; [heads, per_head], neighbouring frequencies in different heads."""
    count = heads * per_head
    f = torch.exp(math.log(math.pi) + torch.arange(count, dtype=torch.float64) / count * math.log(10))
    return f.view(per_head, heads).T.float().contiguous()


def temporal_frequencies(heads: int, per_head: int) -> Tensor:
    """100^(-n/F), [heads, per_head]."""
    count = heads * per_head
    g = 100.0 ** (-torch.arange(count, dtype=torch.float64) / count)
    return g.view(per_head, heads).T.float().contiguous()


class AxialRotary2D(nn.Module):
    """Rotary table of positions (y, x); `freqs` [2, heads, d_head/8]."""

    def __init__(self, heads: int, d_head: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(spatial_frequencies(heads, d_head // 8).expand(2, -1, -1).clone())

    def forward(self, positions: Tensor) -> RotaryTable:
        """positions [N, 2] -> table of [heads, N, d_head/4]."""
        y, x = (positions[:, axis, None, None] * self.freqs[axis] for axis in range(2))
        return rotary_table(torch.cat((y, x), dim=-1).transpose(0, 1))


class AxialRotary3D(nn.Module):
    """Rotary table of positions (t, y, x); `spatial_freqs` [2, heads, d_head/8], `temporal_freqs` [heads, d_head/8]."""

    def __init__(self, heads: int, d_head: int) -> None:
        super().__init__()
        self.spatial_freqs = nn.Parameter(spatial_frequencies(heads, d_head // 8).expand(2, -1, -1).clone())
        self.temporal_freqs = nn.Parameter(temporal_frequencies(heads, d_head // 8))

    def forward(self, positions: Tensor) -> RotaryTable:
        """positions [N, 3] -> table of [heads, N, 3 d_head/8]."""
        t = positions[:, 0, None, None] * self.temporal_freqs
        y, x = (positions[:, 1 + axis, None, None] * self.spatial_freqs[axis] for axis in range(2))
        return rotary_table(torch.cat((t, y, x), dim=-1).transpose(0, 1))


def rotary_table(angles: Tensor) -> RotaryTable:
    """Cosines and sines of angles [heads, N, d], in at least float32: made once, used by every layer."""
    angles = angles.to(torch.promote_types(angles.dtype, torch.float32)).contiguous()
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Turn channel pairs (j, j + d) by angle j; channels from 2 d on pass through.

    Args:
        x: [B, heads, N, d_head].
        table: of [heads, N, d], 2 d <= d_head.
    """
    cos, sin = table
    d = cos.shape[-1]
    first, second, rest = x[..., :d], x[..., d : 2 * d], x[..., 2 * d :]
    turned_first = first * cos - second * sin
    turned_second = second * cos + first * sin
    return torch.cat((turned_first.to(x.dtype), turned_second.to(x.dtype), rest), dim=-1)


def grid_positions(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Cell centres of a height x width grid in the largest centred box of its aspect within [-1, 1]^2.

    Returns:
        [height * width, 2] as (y, x), rows slow.
    """
    longest = max(height, width)
    y = (torch.arange(height, device=device) * 2 + 1 - height) / longest
    x = (torch.arange(width, device=device) * 2 + 1 - width) / longest
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flatten(0, 1)


def clip_positions(frames: int, height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(t, y, x) of every cell of `frames` grids, frame slow; t is the frame index. [frames * height * width, 3]."""
    cells = grid_positions(height, width, device)
    t = torch.arange(frames, device=device, dtype=cells.dtype).repeat_interleave(len(cells))
    return torch.cat((t[:, None], cells.repeat(frames, 1)), dim=-1)
