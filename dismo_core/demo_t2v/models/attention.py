"""Attention and the transformer block that all of DEMO's UNet is made of; keys and values of a text are computed once a sampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HeldText:
    """Text states whose keys and values each attention computes once and then finds here, for all steps of a sampling.

    Args:
        states: [B or 1, L, D]. They must not need gradients: what is held outlives a graph.
    """

    def __init__(self, states: Tensor) -> None:
        self.states = states
        self._held: dict[Attention, tuple[Tensor, Tensor]] = {}

    def keys_values(self, attention: Attention) -> tuple[Tensor, Tensor]:
        """Of one attention, each [B or 1, heads, L, head width]."""
        if attention not in self._held:
            self._held[attention] = attention.keys_values(self.states)
        return self._held[attention]


Text = Tensor | HeldText


def joined_texts(texts: Sequence[Tensor], count: int) -> Tensor:
    """Texts [count or 1, L, D] one after the other, each for `count` samples."""
    return torch.cat([text.expand(count, -1, -1) for text in texts])


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V over several heads (Vaswani et al. 2017, section 3.2); no bias but on the output.

    Args:
        width: of the tokens.
        heads: how many.
        head_width: of each.
        context_width: of what is looked at; None = the tokens themselves.
    """

    def __init__(self, width: int, heads: int, head_width: int, context_width: int | None = None) -> None:
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(context_width or width, inner, bias=False)
        self.to_v = nn.Linear(context_width or width, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Of [B, L, D]; each [B, heads, L, head width]."""
        return self._split(self.to_k(context)), self._split(self.to_v(context))

    def forward(self, x: Tensor, context: Text | None = None, column: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens and, where a column is asked for, how much each token looks at it.

        Args:
            x: [G, N, width].
            context: [B or 1, L, D], where B divides G: the groups of one sample stand together and share its text. None = x.
            column: [B], number of a text token.

        Returns:
            [G, N, width], and [G, N] averaged over the heads (empty where no column was asked for).
        """
        groups, count = x.shape[:2]
        if context is None:
            keys, values = self.keys_values(x)
        else:
            keys, values = context.keys_values(self) if isinstance(context, HeldText) else self.keys_values(context)
        # groups of one text are as many more queries to it: no key is repeated
        samples = groups if context is None else max(len(keys), 1 if column is None else len(column))
        queries = self._split(self.to_q(x).reshape(samples, groups // samples * count, -1))
        looked = x.new_empty(0)
        if column is None:
            out = F.scaled_dot_product_attention(queries, keys, values)
        else:
            shares = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).softmax(dim=-1)
            out = shares @ values
            at = column[:, None, None].expand(-1, shares.shape[2], 1)
            looked = shares.mean(dim=1).gather(2, at).reshape(groups, count)
        projected: Tensor = self.to_out[0](out.transpose(1, 2).reshape(groups, count, -1))
        return projected, looked

    def _split(self, x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (self.heads, -1))
        return split.transpose(1, 2)


class GatedProjection(nn.Module):
    """a GELU(b) of one projection [a | b] (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        gated: Tensor = value * F.gelu(gate)
        return gated


class FeedForward(nn.Module):
    """Width to four times as much and back, gated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GatedProjection(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class TransformerBlock(nn.Module):
    """Attention among the tokens, attention to a text (or among them again), feed-forward; norms before, residuals around.

    Args:
        heads: of both attentions.
        head_width: of each; the tokens are heads * head_width wide.
        context_width: of the text; None = the second attention, too, is among the tokens.
    """

    def __init__(self, heads: int, head_width: int, context_width: int | None) -> None:
        super().__init__()
        width = heads * head_width
        self.attn1 = Attention(width, heads, head_width)
        self.attn2 = Attention(width, heads, head_width, context_width)
        self.ff = FeedForward(width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Text | None = None, column: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Attention.forward`."""
        x = x + self.attn1(self.norm1(x))[0]
        read, looked = self.attn2(self.norm2(x), context, column)
        x = x + read
        return x + self.ff(self.norm3(x)), looked
