"""The transformer layer of DisMo: cosine-similarity attention with rotary positions (docs/methods/dismo.md, 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import EPS, AdaptiveRMSNorm, FeedForward, RMSNorm, attend, zero_linear
from .rotary import RotaryTable, rotate

START_SCALE = 10.0


def scaled_cosine(x: Tensor, head_scale: Tensor) -> Tensor:
    """x * sqrt(scale of the head) / |x|; x [B, heads, N, d_head], head_scale [heads]."""
    wide = torch.promote_types(torch.promote_types(x.dtype, head_scale.dtype), torch.float32)
    factor = torch.sqrt(head_scale.to(wide))[:, None, None] * torch.rsqrt(
        x.to(wide).square().sum(dim=-1, keepdim=True) + EPS
    )
    return x * factor.to(x.dtype)


def split_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """[B, N, parts * heads * d] -> `parts` tensors [B, heads, N, d]."""
    split: tuple[Tensor, ...] = x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    return split


def merge_heads(x: Tensor) -> Tensor:
    """[B, heads, N, d] -> [B, N, heads * d]."""
    return x.transpose(1, 2).flatten(2)


class TransformerLayer(nn.Module):
    """Self-attention, cross-attention to a context (where d_context is given), feed-forward; each with a residual.

    Args:
        width: token width, a multiple of d_head.
        d_head: head width.
        d_cond: condition width; norms are adaptive where given.
        d_context: width of the context tokens; without it there is no cross-attention.
    """

    def __init__(self, width: int, d_head: int, *, d_cond: int | None = None, d_context: int | None = None) -> None:
        super().__init__()
        self.heads = width // d_head
        self.self_norm = _norm(width, d_cond)
        self.self_qkv = nn.Linear(width, 3 * width, bias=False)
        self.self_scale = nn.Parameter(torch.full((self.heads,), START_SCALE))
        self.self_out = zero_linear(width, width)
        self.has_context = d_context is not None
        if d_context is not None:
            self.cross_norm_q = _norm(width, d_cond)
            self.cross_norm_kv = RMSNorm(d_context)
            self.cross_q = nn.Linear(width, width, bias=False)
            self.cross_kv = nn.Linear(d_context, 2 * width, bias=False)
            self.cross_scale = nn.Parameter(torch.full((self.heads,), START_SCALE))
            self.cross_out = zero_linear(width, width)
        self.ff = FeedForward(width, d_cond=d_cond)

    def forward(
        self,
        x: Tensor,
        table: RotaryTable,
        cond: Tensor | None = None,
        context: Tensor | None = None,
        context_table: RotaryTable | None = None,
        keep: int | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            x: [B, N, width].
            table: rotary table of the N tokens.
            cond: [B, d_cond].
            context: [B, M, d_context].
            context_table: rotary table of the M tokens.
            keep: compute just the first `keep` tokens, which is enough where no others are read; all N are attended to.

        Returns:
            [B, N or keep, width].
        """
        extra = () if cond is None else (cond,)
        h = self.self_norm(x, *extra)
        if keep is None:
            q, k, v = split_heads(self.self_qkv(h), 3, self.heads)
            q_table = table
        else:
            of_q, of_kv = self.self_qkv.weight.split((x.shape[-1], 2 * x.shape[-1]))
            (q,) = split_heads(F.linear(h[:, :keep], of_q), 1, self.heads)
            k, v = split_heads(F.linear(h, of_kv), 2, self.heads)
            q_table = table[0][:, :keep], table[1][:, :keep]
            x = x[:, :keep]
        q = rotate(scaled_cosine(q, self.self_scale), q_table)
        k = rotate(scaled_cosine(k, self.self_scale), table)
        x = x + self.self_out(merge_heads(attend(q, k, v, scale=1.0)))
        if self.has_context:
            assert context is not None and context_table is not None
            (q,) = split_heads(self.cross_q(self.cross_norm_q(x, *extra)), 1, self.heads)
            k, v = split_heads(self.cross_kv(self.cross_norm_kv(context)), 2, self.heads)
            q = rotate(scaled_cosine(q, self.cross_scale), q_table)
            k = rotate(scaled_cosine(k, self.cross_scale), context_table)
            x = x + self.cross_out(merge_heads(attend(q, k, v, scale=1.0)))
        out: Tensor = self.ff(x, *extra)
        return out


def _norm(width: int, d_cond: int | None) -> nn.Module:
    return RMSNorm(width) if d_cond is None else AdaptiveRMSNorm(width, d_cond)
