"""The transformer of the autoencoder: attention over time, attention over space, a gated feed-forward layer, in turn."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import SelfAttention
from .rotary import RELEASED_HEAD, FrameRotary, ImageRotary

SLICE = 8192  # tokens worked on at a time where no gradient is kept: memory then follows a slice and not the clip


class GatedFeedForward(nn.Module):
    """value * GELU(gate), four times the width. Its keys are those of the release, in which 1 and 2 have no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleDict({"0": nn.Linear(width, 8 * width), "3": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.net["0"](x).chunk(2, dim=-1)
        out: Tensor = self.net["3"](value * F.gelu(gate))
        return out


class Normed(nn.Module):
    """f(LayerNorm(x)), the part of a residual sub-layer that is added."""

    def __init__(self, fn: nn.Module, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.fn(self.norm(x), *given)
        return out


class SpaceTimeTransformer(nn.Module):
    """`depth` layers on a volume of tokens (docs/methods/content_motion.md, 2.1 and 2.4).

    Args:
        width: channels.
        depth: layers.
        heads: divide the width.
        rotary: whether attention knows positions; without, the tables are there as in the release, unused.
        patch_values: numbers of a patch, where patches are embedded here; None = tokens come ready.
    """

    def __init__(self, width: int, depth: int, heads: int, *, rotary: bool, patch_values: int | None = None) -> None:
        super().__init__()
        if patch_values is not None:
            self.to_patch_embedding = nn.Linear(patch_values, width)
        head_width = width // heads if rotary else RELEASED_HEAD
        self.rotary = rotary
        self.frame_rot_emb = FrameRotary(head_width)
        self.image_rot_emb = ImageRotary(head_width)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                (
                    Normed(SelfAttention(width, heads), width),
                    Normed(SelfAttention(width, heads), width),
                    Normed(GatedFeedForward(width), width),
                )
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B,L,rows,columns,width] -> the same; x itself is overwritten where no gradient is kept."""
        batch, frames, rows, columns, _ = x.shape
        times = self.frame_rot_emb(frames) if self.rotary else None
        places = self.image_rot_emb(rows, columns) if self.rotary else None
        x = x.flatten(2, 3)
        for layer in self.layers:
            over_time, over_space, feed_forward = cast("tuple[nn.Module, ...]", layer)
            x = _over_time(over_time, x, times)
            x = _added(over_space, x.flatten(0, 1), rows * columns, places).unflatten(0, (batch, frames))
            x = _added(feed_forward, x.flatten(0, 2), 1).view(x.shape)
        return x.reshape(batch, frames, rows, columns, -1)


def _added(part: nn.Module, x: Tensor, tokens: int, *given: Tensor | None) -> Tensor:
    """x + part(x), in slices of the first axis, each entry of which has so many tokens."""
    if torch.is_grad_enabled():
        added: Tensor = x + part(x, *given)
        return added
    for piece in x.split(max(1, SLICE // tokens)):
        piece += part(piece, *given)
    return x


def _over_time(part: nn.Module, x: Tensor, angles: Tensor | None) -> Tensor:
    """x [B,L,places,width] + attention over L at every place."""
    batch, frames = x.shape[:2]

    def attended(piece: Tensor) -> Tensor:
        out: Tensor = part(piece.transpose(1, 2).flatten(0, 1), angles)
        return out.view(batch, -1, *out.shape[1:]).transpose(1, 2)

    if torch.is_grad_enabled():
        added: Tensor = x + attended(x)
        return added
    for piece in x.split(max(1, SLICE // (batch * frames)), dim=2):
        piece += attended(piece)
    return x
