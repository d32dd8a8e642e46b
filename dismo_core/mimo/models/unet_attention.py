"""Attention of the UNets: heads, feed-forward, and the spatial transformer that looks at a reference picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Keys = tuple[Tensor, Tensor]  # keys and values, each [1 or B, tokens, C]


class ReferenceTokens:
    """Tokens of a reference picture; their keys and values are computed when first asked for, and then kept.

    One for a whole sampling, so that each block projects them once for all windows and steps. Where gradients are wanted, nothing
    is kept.

    Args:
        tokens: name of a transformer block -> [1 or B, h w, C].
    """

    def __init__(self, tokens: Mapping[str, Tensor]) -> None:
        self.tokens = dict(tokens)
        self._keys: dict[str, Keys] = {}

    def keys(self, name: str, attention: Attention) -> Keys:
        """Keys and values that a block's self-attention makes of its tokens."""
        if torch.is_grad_enabled():
            return attention.keys(self.tokens[name])
        if name not in self._keys:
            self._keys[name] = attention.keys(self.tokens[name])
        return self._keys[name]


class Attention(nn.Module):
    """Scaled dot-product attention; no bias but that of the output.

    Args:
        width: of the queries and of the output.
        context_width: of what keys and values come from; None = the same.
        heads: the width is divided among.
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width or width, width, bias=False)
        self.to_v = nn.Linear(context_width or width, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Identity()])

    def keys(self, context: Tensor) -> Keys:
        """Keys and values of tokens [n, tokens, context_width]."""
        return self.to_k(context), self.to_v(context)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention between projected tokens, before the output's linear: [n, tokens, C]."""
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (queries, keys, values))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """[n, tokens, width] -> the same. context: [n, tokens', context_width]; None = x itself."""
        attended: Tensor = self.to_out[0](self.attend(self.to_q(x), *self.keys(x if context is None else context)))
        return attended


class GEGLU(nn.Module):
    """A linear whose one half gates the other."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., inner]."""
        value, gate = self.proj(x).chunk(2, -1)
        gated: Tensor = value * F.gelu(gate)
        return gated


class FeedForward(nn.Module):
    """GEGLU of four times the width, and a linear back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> the same."""
        out: Tensor = self.net[2](self.net[0](x))
        return out


@dataclass
class Reference:
    """What the self-attention of one block sees beside the frame.

    Args:
        name: of the block.
        tokens: of the reference; None = there is none.
        sees: for each row of the batch, whether it sees them.
        frames: a batch row has.
        keep: called with the normalised input of the self-attention; None = nobody wants it.
    """

    name: str
    tokens: ReferenceTokens | None = None
    sees: Sequence[bool] = ()
    frames: int = 1
    keep: Callable[[Tensor], None] | None = field(default=None, repr=False)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to the picture's embedding, feed-forward; each with norm and residual.

    Args:
        width: of the tokens.
        heads: of both attentions.
        context_width: of the embedding.
    """

    def __init__(self, width: int, heads: int, context_width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, heads, context_width)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, reference: Reference, first: int) -> Tensor:
        """[n, tokens, width] -> the same.

        Args:
            x: frames, those of one batch row after the other.
            context: [n, 1, context_width].
            reference: see there.
            first: number of the first frame of x among all frames of the batch.
        """
        normed = self.norm1(x)
        if reference.keep is not None:
            reference.keep(normed)
        x = x + self._self_attention(normed, reference, first)
        if context.shape[1] == 1 and not torch.is_grad_enabled():
            x = x + self.attn2.to_out[0](self.attn2.to_v(context))  # all attention goes to the only token
        else:
            x = x + self.attn2(self.norm2(x), context)
        out: Tensor = x + self.ff(self.norm3(x))
        return out

    def _self_attention(self, normed: Tensor, reference: Reference, first: int) -> Tensor:
        attention = self.attn1
        queries, (keys, values) = attention.to_q(normed), attention.keys(normed)
        if reference.tokens is None or not any(reference.sees):
            seen = attention.attend(queries, keys, values)
        else:
            rows = [(first + index) // reference.frames for index in range(len(normed))]
            others = reference.tokens.keys(reference.name, attention)
            parts = []
            for sees, run in groupby(range(len(rows)), lambda index: reference.sees[rows[index]]):
                own = list(run)
                part = slice(own[0], own[-1] + 1)
                more = [(keys[part], values[part])]
                if sees:
                    more.append(_of_rows(others, rows[part]))
                k, v = (torch.cat(pair, 1) for pair in zip(*more, strict=True))
                parts.append(attention.attend(queries[part], k, v))
            seen = torch.cat(parts)
        attended: Tensor = attention.to_out[0](seen)
        return attended


class SpatialTransformer(nn.Module):
    """A transformer block over the pixels of each frame, between 1x1 convolutions.

    Args:
        channels: of the frames.
        heads: of the attentions.
        context_width: of the picture's embedding.
        groups: of the norm.
    """

    def __init__(self, channels: int, heads: int, context_width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, 1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, heads, context_width)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor, reference: Reference, first: int = 0) -> Tensor:
        """[n, C, h, w] -> the same; arguments as `TransformerBlock`."""
        hidden = self.proj_in(self.norm(x))
        tokens = self.transformer_blocks[0](hidden.flatten(2).transpose(1, 2), context, reference, first)
        out: Tensor = self.proj_out(tokens.transpose(1, 2).unflatten(2, x.shape[2:])) + x
        return out


def _of_rows(keys: Keys, rows: Sequence[int]) -> Keys:
    """Keys and values for frames of these batch rows."""
    if len(keys[0]) == 1:
        expanded = [x.expand(len(rows), -1, -1) for x in keys]
    else:
        expanded = [x[list(rows)] for x in keys]
    return expanded[0], expanded[1]
