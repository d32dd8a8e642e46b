"""DINOv2 with registers as DisMo's frame encoder (docs/methods/dismo.md, 3.6; Darcet et al. 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import attend

PATCH = 14
TABLE_SIDE = 37  # the stored positional table is that of 518 px
REGISTERS = 4
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def fit_frames(frames: Tensor, image_size: int) -> Tensor:
    """Centre crop to the short side, average-pool large frames, resize bilinearly without antialias.

    Args:
        frames: [N, H, W, 3].
        image_size: side of the result in pixels.

    Returns:
        [N, 3, image_size, image_size], same value range.
    """
    x = frames.movedim(-1, 1)
    height, width = x.shape[-2:]
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    x = x[..., top : top + side, left : left + side]
    pool = side // image_size
    if pool > 1:
        x = F.avg_pool2d(x, pool, stride=pool)
    return F.interpolate(x, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=False)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out: Tensor = self.proj(attend(q, k, v, scale=q.shape[-1] ** -0.5).transpose(1, 2).flatten(2))
        return out


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.ls1 = _LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _MLP(width)
        self.ls2 = _LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _PatchEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return out


class DinoViT(nn.Module):
    """Vision transformer of DINOv2 with register tokens; returns patch tokens only.

    Args:
        embed_dim: token width.
        depth: number of blocks.
        num_heads: attention heads.
    """

    def __init__(self, embed_dim: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TABLE_SIDE**2, embed_dim))
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dim))  # in the released files, never used
        self.patch_embed = _PatchEmbed(embed_dim)
        self.blocks = nn.ModuleList(_Block(embed_dim, num_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        for token in (self.cls_token, self.register_tokens, self.pos_embed):
            nn.init.trunc_normal_(token, std=0.02)

    def positions(self, side: int) -> tuple[Tensor, Tensor]:
        """The class token's position [1,1,C] and the table resized to side x side, [1, side^2, C]."""
        cls, table = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        table = table.unflatten(1, (TABLE_SIDE, TABLE_SIDE)).movedim(-1, 1).float()
        device = table.device
        if device.type == "mps":  # PyTorch resizes like this there from 2.8 on
            table = table.cpu()
        table = F.interpolate(table, size=(side, side), mode="bicubic", align_corners=False, antialias=True)
        return cls, table.flatten(2).transpose(1, 2).to(device, cls.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 3, S, S], normalised -> [N, (S/14)^2, embed_dim]."""
        cls_position, positions = self.positions(x.shape[-1] // PATCH)
        n = x.shape[0]
        patches = self.patch_embed(x) + positions
        cls = (self.cls_token + cls_position).expand(n, -1, -1)
        x = torch.cat((cls, self.register_tokens.expand(n, -1, -1), patches), dim=1)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)[:, 1 + REGISTERS :]
        return out


class FrameEncoder(nn.Module):
    """Frames in -1..1 to a square grid of DINO tokens.

    Args:
        embed_dim: width of the vision transformer (large: 1024).
        depth: its blocks (large: 24).
        num_heads: its attention heads (large: 16).
        image_size: side in pixels at which it looks at every frame, a multiple of 14.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, embed_dim: int, depth: int, num_heads: int, image_size: int = 224) -> None:
        super().__init__()
        self.model = DinoViT(embed_dim, depth, num_heads)
        self.embed_dim = embed_dim
        self.image_size = image_size
        self.side = image_size // PATCH
        self.register_buffer("mean", torch.tensor(CLIP_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(CLIP_STD)[:, None, None], persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """frames [N, H, W, 3] in -1..1 -> tokens [N, side^2, embed_dim], rows slow."""
        x = (fit_frames(frames, self.image_size) + 1) / 2
        x = (x - self.mean) / self.std
        out: Tensor = self.model(x.to(self.model.cls_token.dtype))
        return out
