"""The motion module of AnimateDiff v2: attention over time at each pixel (docs/methods/mimo.md, 2.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from .unet_attention import Attention, FeedForward

GROUPS = 32  # of its group norm, whatever those of the UNet


class PositionTable(nn.Module):
    """Sinusoidal positions: sines in the even channels, cosines in the odd ones.

    Args:
        width: of the tokens.
        length: positions.
    """

    pe: Tensor

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        position = torch.arange(length, dtype=torch.float32)[:, None]
        angles = position * torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
        table = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
        self.register_buffer("pe", table[None, :, :width])

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, width] plus the first positions."""
        return x + self.pe[:, : x.shape[1]].to(x.dtype)


class TemporalAttention(Attention):
    """Self-attention over the frames, which are told their positions."""

    def __init__(self, width: int, heads: int, max_frames: int) -> None:
        super().__init__(width, heads)
        self.pos_encoder = PositionTable(width, max_frames)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """[n, frames, width] -> the same."""
        return super().forward(self.pos_encoder(x), context)


class TemporalBlock(nn.Module):
    """Two temporal attentions and a feed-forward, each with norm and residual."""

    def __init__(self, width: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList([TemporalAttention(width, heads, max_frames) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.ff = FeedForward(width)
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, width] -> the same."""
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            x = attention(norm(x)) + x
        out: Tensor = self.ff(self.ff_norm(x)) + x
        return out


class TemporalTransformer(nn.Module):
    """Group norm of each frame, linears, and the temporal block between them."""

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, 1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels, heads, max_frames)])
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def tokens(self, normed: Tensor) -> Tensor:
        """What is added to the frames at some pixels: [pixels, frames, C] -> the same."""
        added: Tensor = self.proj_out(self.transformer_blocks[0](self.proj_in(normed)))
        return added


class MotionModule(nn.Module):
    """Attention over time at each pixel; freshly made it changes nothing.

    Args:
        channels: of the frames.
        heads: of the attentions.
        max_frames: positions of its table.
    """

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.temporal_transformer = TemporalTransformer(channels, heads, max_frames)

    def forward(self, x: Tensor, frames: int, pixels: int | None = None) -> Tensor:
        """[B * frames, C, h, w] -> the same.

        Args:
            x: frames, those of one batch row after the other.
            frames: of one batch row.
            pixels: computed at a time; None = all.

        Raises:
            DisMoError: more frames than positions.
        """
        if frames > self.max_frames:
            raise DisMoError(
                f"A window of {frames} frames is longer than the {self.max_frames} positions of the motion modules. "
                f"Use windows of at most {self.max_frames} frames."
            )
        transformer = self.temporal_transformer
        if torch.is_grad_enabled() and not x.requires_grad:
            # of a channels-last input without a gradient, torch's backward pass of group norm on a CPU writes to no memory
            x = x.contiguous()
        normed: Tensor = transformer.norm(x)
        height, width = x.shape[2:]
        # [B, frames, C, pixels] seen as [B, pixels, frames, C]
        view = normed.unflatten(0, (-1, frames)).flatten(3).permute(0, 3, 1, 2)
        if pixels is None or pixels >= view.shape[1]:
            added: Tensor = transformer.tokens(view.flatten(0, 1)).unflatten(0, view.shape[:2])
            return x + added.permute(0, 2, 3, 1).reshape(x.shape)
        for row in view:  # pixels do not see each other, so each piece is written back where it was read
            for begin in range(0, len(row), pixels):
                piece = row[begin : begin + pixels]
                piece.copy_(transformer.tokens(piece))
        return normed.add_(x)
