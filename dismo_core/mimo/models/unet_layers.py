"""Convolutional layers of Stable Diffusion's UNet, in diffusers' names."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_EPSILON = 1e-5


class ResnetBlock(nn.Module):
    """Two convolutions with the time embedding between them, and a residual.

    Args:
        in_channels: of the input.
        channels: of the output.
        time_channels: of the time embedding.
        groups: of the norms.
    """

    def __init__(self, in_channels: int, channels: int, time_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, NORM_EPSILON)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_channels, channels)
        self.norm2 = nn.GroupNorm(groups, channels, NORM_EPSILON)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_shortcut = None if in_channels == channels else nn.Conv2d(in_channels, channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """[n, in_channels, h, w] and [n, time_channels] -> [n, channels, h, w]."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = hidden + self.time_emb_proj(F.silu(time))[..., None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        out: Tensor = hidden + (x if self.conv_shortcut is None else self.conv_shortcut(x))
        return out


class Downsample(nn.Module):
    """A convolution of stride 2, padded by 1 on all sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, h, w] -> [n, C, ceil(h / 2), ceil(w / 2)]."""
        down: Tensor = self.conv(x)
        return down


class Upsample(nn.Module):
    """Nearest neighbours, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """[n, C, h, w] -> [n, C, *size]; the size is that of the skip which comes next."""
        up: Tensor = self.conv(F.interpolate(x, size=size, mode="nearest"))
        return up


class TimeEmbedding(nn.Module):
    """Two linears over sinusoidal features of the timestep.

    Args:
        features: sinusoidal features, half cosines, half sines.
        channels: of the embedding.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.features = features
        self.linear_1 = nn.Linear(features, channels)
        self.linear_2 = nn.Linear(channels, channels)

    def forward(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        """[B] -> [B, channels] in `dtype`. The features are computed in float32: cos(t w_i), sin(t w_i), w_i = 10000^(-i / half)."""
        half = self.features // 2
        rates = torch.exp(torch.arange(half, dtype=torch.float32, device=timestep.device) * (-math.log(10000) / half))
        angles = timestep[:, None].float() * rates
        features = torch.cat((angles.cos(), angles.sin()), 1).to(dtype)
        embedding: Tensor = self.linear_2(F.silu(self.linear_1(features)))
        return embedding


def in_groups(function: Callable[..., Tensor], size: int | None, *rows: Tensor) -> Tensor:
    """`function` of tensors with the same first dimension, a few rows at a time: the same result in less memory.

    Args:
        function: takes as many tensors as there are in `rows`, and gives one with as many rows.
        size: rows at a time; None = all.
        rows: [n, ...] each.
    """
    count = len(rows[0])
    if size is None or size >= count:
        return function(*rows)
    whole: Tensor | None = None
    for begin in range(0, count, size):
        part = function(*(tensor[begin : begin + size] for tensor in rows))
        if whole is None:
            whole = part.new_empty((count, *part.shape[1:]))
        whole[begin : begin + size] = part
    assert whole is not None
    return whole
