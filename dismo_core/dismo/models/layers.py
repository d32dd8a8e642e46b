"""RMS norms, the gated feed-forward block, and the attention product (docs/methods/dismo.md, 3.1 to 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6


def rms_scaled(x: Tensor, scale: Tensor) -> Tensor:
    """x * (scale / rms(x)); the factor is made in the widest of x, scale and float32, then cast to x's dtype.

    Args:
        x: [..., C].
        scale: broadcastable to [..., C].
    """
    wide = torch.promote_types(torch.promote_types(x.dtype, scale.dtype), torch.float32)
    mean_square = x.to(wide).square().mean(dim=-1, keepdim=True)
    return x * (scale.to(wide) * torch.rsqrt(mean_square + EPS)).to(x.dtype)


class RMSNorm(nn.Module):
    """y = x * scale / rms(x); no mean subtraction, no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_scaled(x, self.scale)


class AdaptiveRMSNorm(nn.Module):
    """RMSNorm whose scale is 1 + W c, one c [B, d_cond] per sample, the same for all its tokens; W starts at zero."""

    def __init__(self, width: int, d_cond: int) -> None:
        super().__init__()
        self.linear = zero_linear(d_cond, width)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        return rms_scaled(x, 1 + self.linear(cond)[:, None])


class FeedForward(nn.Module):
    """down(value * silu(gate)) + skip(x) with (value, gate) = up(norm(x)).

    Args:
        width: of the input.
        out_width: of the output; where it differs from `width`, the skip path is a linear of its own on the raw input.
        hidden: inner width; 3 x width where not given.
        d_cond: width of the condition; the norm is adaptive where given.
    """

    def __init__(
        self, width: int, out_width: int | None = None, *, hidden: int | None = None, d_cond: int | None = None
    ) -> None:
        super().__init__()
        out_width, hidden = out_width or width, hidden or 3 * width
        self.norm = RMSNorm(width) if d_cond is None else AdaptiveRMSNorm(width, d_cond)
        self.up_proj = nn.Linear(width, 2 * hidden, bias=False)
        self.down_proj = zero_linear(hidden, out_width)
        self.skip_proj = nn.Linear(width, out_width, bias=False) if out_width != width else None

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        h = self.norm(x) if cond is None else self.norm(x, cond)
        value, gate = self.up_proj(h).chunk(2, dim=-1)
        skip = x if self.skip_proj is None else self.skip_proj(x)
        out: Tensor = self.down_proj(value * F.silu(gate)) + skip
        return out


class Mapping(nn.Module):
    """RMSNorm, feed-forward blocks, RMSNorm."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.in_norm = RMSNorm(width)
        self.blocks = nn.ModuleList(FeedForward(width) for _ in range(depth))
        self.out_norm = RMSNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_norm(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.out_norm(x)
        return out


def zero_linear(d_in: int, d_out: int) -> nn.Linear:
    """A linear without bias whose weight starts at zero."""
    linear = nn.Linear(d_in, d_out, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """softmax(scale q k^T) v over [B, heads, tokens, channels].

    PyTorch's fused CPU kernel has a backward pass several times slower than the plain products at our lengths,
    so training on a CPU takes these.
    """
    if q.device.type == "cpu" and q.requires_grad:
        return torch.softmax((q * scale) @ k.transpose(-1, -2), dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, scale=scale)
