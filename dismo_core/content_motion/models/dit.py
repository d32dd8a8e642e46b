"""The diffusion transformer that both diffusion models of CMD are made of (docs/methods/content_motion.md, 3).

After Peebles and Xie: Scalable Diffusion Models with Transformers (arXiv:2212.09748), section 3.2: blocks whose norms are shifted,
scaled and gated by the condition, and begin as identity (adaLN-Zero).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...diffusion.unet_parts import time_table
from ...errors import DisMoError
from .attention import SelfAttention

TIME_WIDTH = 256
# Name -> depth, width, heads.
SIZES = {"XL": (28, 1152, 16), "L": (24, 1024, 16), "B": (12, 768, 12), "S": (12, 384, 6)}
PATCHES = (2, 4, 8)


def preset_sizes(name: str) -> dict[str, int]:
    """The sizes of a preset such as "L/2"; "MotionDiT-L/2" and "DiT-L/2" are taken as well.

    Raises:
        DisMoError: there is none of that name.
    """
    size, _, patch = name.rpartition("-")[2].partition("/")
    if size not in SIZES or patch not in map(str, PATCHES):
        known = ", ".join(f"{size}/{patch}" for size in SIZES for patch in PATCHES)
        raise DisMoError(f"There is no preset {name!r}. Known are {known}.")
    depth, width, heads = SIZES[size]
    return dict(depth=depth, width=width, heads=heads, patch_size=int(patch))


class PatchEmbedding(nn.Module):
    """[B,C,H,W] -> [B,tokens,width], in raster order."""

    def __init__(self, channels: int, width: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens


class TimeEmbedding(nn.Module):
    """[B] time steps -> [B,width]; the layer between the two linear ones has no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_WIDTH, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        embedding: Tensor = self.mlp(time_table(t, TIME_WIDTH).to(self.mlp.get_parameter("0.weight").dtype))
        return embedding


class MLP(nn.Module):
    """Linear, GELU (tanh form), linear; four times the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """x + gate f(norm(x) (1 + scale) + shift), for attention and for the MLP; c [B,width] gives all six."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = SelfAttention(width, heads)
        self.mlp = MLP(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = self.adaLN_modulation(c)[:, None].chunk(6, dim=-1)
        x = x + gate * self.attn(_modulated(x, shift, scale))
        out: Tensor = x + gate_mlp * self.mlp(_modulated(x, shift_mlp, scale_mlp))
        return out


class FinalLayer(nn.Module):
    """[B,tokens,width] -> [B,tokens,values of a patch]."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, values)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(c)[:, None].chunk(2, dim=-1)
        out: Tensor = self.linear(_modulated(x, shift, scale))
        return out


def fixed(table: Tensor) -> nn.Parameter:
    """A table that is stored with the weights and never trained."""
    return nn.Parameter(table, requires_grad=False)


def initialise(model: nn.Module) -> None:
    """Initial weights as released; the output of a model that was just made is exactly 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, PatchEmbedding):
            nn.init.xavier_uniform_(module.proj.weight.flatten(1))
            nn.init.zeros_(module.get_parameter("proj.bias"))
    for module in model.modules():
        if isinstance(module, TimeEmbedding):
            nn.init.normal_(module.get_parameter("mlp.0.weight"), std=0.02)
            nn.init.normal_(module.get_parameter("mlp.2.weight"), std=0.02)
        elif isinstance(module, (Block, FinalLayer)):
            nn.init.zeros_(module.get_parameter("adaLN_modulation.1.weight"))
            if isinstance(module, FinalLayer):
                nn.init.zeros_(module.linear.weight)


def folded(tokens: Tensor, rows: int, columns: int, patch_size: int) -> Tensor:
    """[B,rows * columns,p*p*C], in the order row, column, channel -> [B,C,rows * p,columns * p]."""
    grid: Tensor = tokens.unflatten(1, (rows, columns)).unflatten(-1, (patch_size, patch_size, -1))
    return grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def grid_of(size: tuple[int, int], patch_size: int, what: str) -> tuple[int, int]:
    """Rows and columns of patches.

    Raises:
        DisMoError: the patch does not divide the size. what: whose size it is, with a capital.
    """
    rows, columns = size[0] // patch_size, size[1] // patch_size
    if size[0] % patch_size or size[1] % patch_size or not rows or not columns:
        raise DisMoError(
            f"{what} {size[0]}x{size[1]} cannot be cut into patches of {patch_size}: both must be multiples of {patch_size}."
        )
    return rows, columns


def require_shape(x: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise unless x is [B, *shape]. what: it is, with a capital."""
    if tuple(x.shape[1:]) != shape:
        raise DisMoError(
            f"{what} must be {['B', *shape]}, not {list(x.shape)}: this model was made for that size. "
            "Use clips of its size and length, or a model of theirs."
        )


def check_width(width: int, heads: int) -> None:
    """Raise unless heads divide the width, and 4 does, which the tables need."""
    if width % heads or width % 4:
        raise DisMoError(f"The width {width} must be a multiple of its {heads} heads and of 4.")


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift
