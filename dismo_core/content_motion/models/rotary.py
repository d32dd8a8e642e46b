"""Rotary positions of the autoencoder (docs/methods/content_motion.md, 2.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RELEASED_HEAD = 64  # head width for which the release sizes its tables, whatever the real one


class FrameRotary(nn.Module):
    """Angles over time: frame number times 10000^(-2i/h).

    Args:
        head_width: h, channels of a head.
    """

    def __init__(self, head_width: int) -> None:
        super().__init__()
        exponent = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
        self.register_buffer("inv_freqs", 10000.0**-exponent)
        self.inv_freqs: Tensor

    def forward(self, frames: int) -> Tensor:
        """Angles [frames, h/2], float32."""
        return torch.arange(frames, device=self.inv_freqs.device)[:, None] * self.inv_freqs.float()


class ImageRotary(nn.Module):
    """Angles over space: [row | column], each in -1..1, times pi and h//4 scales from 1 to 5.

    Args:
        head_width: h, channels of a head; a multiple of 4.
    """

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.register_buffer("scales", 2 ** torch.linspace(0, math.log2(5), head_width // 4))
        self.scales: Tensor

    def forward(self, rows: int, columns: int) -> Tensor:
        """Angles [rows * columns, h/2], float32."""
        scales = self.scales.float() * math.pi
        row, column = (torch.linspace(-1, 1, n, device=scales.device)[:, None] * scales for n in (rows, columns))
        row, column = row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)
        return torch.cat((row, column), dim=-1).flatten(0, 1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn neighbouring channels of x [..., tokens, h] by angles [tokens, h/2]."""
    cos, sin = angles.cos(), angles.sin()
    even, odd = x.float()[..., 0::2], x.float()[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2).to(x.dtype)
