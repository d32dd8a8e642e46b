"""The two towers of OpenCLIP's ViT-H/14 (Radford et al. 2021, arXiv:2103.00020), in their published names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PackedAttention(nn.Module):
    """Self-attention with queries, keys and values in one projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=width**-0.5)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """[B, N, width] -> the same."""
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = packed.permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
        projected: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return projected


class Perceptron(nn.Module):
    """To an inner width and back, with GELU between."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, inner)
        self.c_proj = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(F.gelu(self.c_fc(x)))
        return out


class TowerBlock(nn.Module):
    """Attention and perceptron, norms before, residuals around."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = PackedAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, inner)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """[B, N, width] -> the same."""
        x = x + self.attn(self.ln_1(x), causal)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Blocks(nn.Module):
    """The blocks of a tower."""

    def __init__(self, width: int, layers: int, heads: int, inner: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([TowerBlock(width, heads, inner) for _ in range(layers)])


class TextTower(nn.Module):
    """Token ids to text states: what the last block but one gives, after the final norm.

    Args:
        width: of the states.
        layers: of the whole tower; the last one does not run.
        heads: of each.
        embed_width: of the projection, which is not used.
        vocabulary: number of token ids.
        length: tokens of a text.
        complete: whether the weights that are not used (last block, projection, logit scale) are there, as in OpenCLIP's files;
            diffusers' folder of ModelScope is without them.
        inner: width within the perceptrons; None = four times the width.
        known: token ids that a small tower has embeddings of, ascending, from row 1 on; row 0 is for all others. None = every id has one.
    """

    def __init__(
        self,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        embed_width: int = 1024,
        vocabulary: int = 49408,
        length: int = 77,
        complete: bool = True,
        inner: int | None = None,
        known: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.geometry: dict[str, Any] = {
            "width": width, "layers": layers, "heads": heads, "embed_width": embed_width, "vocabulary": vocabulary, "length": length,
            "complete": complete, "inner": inner or 4 * width, "known": None if known is None else list(known),
        }  # fmt: skip
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(length, width) * 0.01)
        self.transformer = Blocks(width, layers if complete else layers - 1, heads, inner or 4 * width)
        self.ln_final = nn.LayerNorm(width)
        if complete:
            self.text_projection = nn.Parameter(torch.randn(width, embed_width) * width**-0.5)
            self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [B, length or more] -> [B, length, width]; what is beyond the length is not read."""
        tokens = tokens[:, : self.geometry["length"]].contiguous()
        if self.geometry["known"] is not None:
            known = torch.tensor(self.geometry["known"], device=tokens.device)
            row = torch.searchsorted(known, tokens).clamp_max(len(known) - 1)
            tokens = torch.where(known[row] == tokens, row + 1, 0)
        x = self.token_embedding(tokens) + self.positional_embedding
        for block in self.transformer.resblocks[: self.geometry["layers"] - 1]:
            x = block(x, True)
        states: Tensor = self.ln_final(x)
        return states


class ImageTower(nn.Module):
    """Pictures to one embedding each; needed in training alone.

    Args:
        width: of the tokens.
        layers: blocks.
        heads: of each.
        patch: px of a token's side.
        image_size: px of the picture's side.
        embed_width: of the embedding.
    """

    def __init__(
        self,
        width: int = 1280,
        layers: int = 32,
        heads: int = 16,
        patch: int = 14,
        image_size: int = 224,
        embed_width: int = 1024,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn((image_size // patch) ** 2 + 1, width) * width**-0.5)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Blocks(width, layers, heads, 4 * width)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, embed_width) * width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        """Prepared pictures [B, 3, S, S], see `prepare_images` -> [B, embed_width]."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = self.ln_pre(torch.cat((first, patches), dim=1) + self.positional_embedding)
        for block in self.transformer.resblocks:
            x = block(x, False)
        embedding: Tensor = self.ln_post(x[:, 0]) @ self.proj
        return embedding
