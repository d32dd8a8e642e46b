"""Multi-head attention with one product for query, key and value, as in all networks of CMD."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rotary import rotate


class SelfAttention(nn.Module):
    """softmax(q k^T / sqrt(width / heads)) v, then a linear layer.

    Args:
        width: channels.
        heads: divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, angles: Tensor | None = None) -> Tensor:
        """[B,tokens,width] -> the same. angles: rotary positions [tokens, width / heads / 2]; None = none."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if angles is not None:
            q, k = rotate(q, angles), rotate(k, angles)
        if q.device.type == "cpu" and q.requires_grad:
            # In bfloat16 the backward pass of this one product takes as long there as that of the rest of the network.
            with torch.autocast("cpu", enabled=False):
                out = F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)
        else:
            out = F.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return mixed
