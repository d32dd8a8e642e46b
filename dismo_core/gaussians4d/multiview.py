"""The multi-view network: one picture of an object into four from its sides (docs/methods/gaussians4d.md, 4.1).

After "MVDream" (Shi et al., ICLR 2024) and "ImageDream" (Wang and Shi, 2023): the U-Net of Stable Diffusion 2.1 whose self-attention runs
over all views, with a camera embedding and with tokens of the picture. Names of the parameters are those of the released file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..diffusion.unet_parts import Double, Halve, time_table

IMAGE_WIDTH = 1280  # of a token of CLIP ViT-H
RESAMPLER_DEPTH, RESAMPLER_HEADS, RESAMPLER_HEAD = 4, 12, 64


class _PerceiverAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner = RESAMPLER_HEADS * RESAMPLER_HEAD
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        x, latents = self.norm1(x), self.norm2(latents)
        k, v = self.to_kv(torch.cat((x, latents), dim=1)).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (RESAMPLER_HEADS, -1)).transpose(1, 2) for part in (self.to_q(latents), k, v))
        out: Tensor = self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class _Resampler(nn.Module):
    """Any number of image tokens into a few of the context's width, after "Flamingo" (Alayrac et al., 2022)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, tokens, width) / width**0.5)
        self.proj_in, self.proj_out = nn.Linear(IMAGE_WIDTH, width), nn.Linear(width, width)
        self.norm_out = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                (
                    _PerceiverAttention(width),
                    nn.Sequential(
                        nn.LayerNorm(width),
                        nn.Linear(width, 4 * width, bias=False),
                        nn.GELU(),
                        nn.Linear(4 * width, width, bias=False),
                    ),
                )
            )
            for _ in range(RESAMPLER_DEPTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        latents = self.latents.expand(len(x), -1, -1)
        x = self.proj_in(x)
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            latents = layer[0](x, latents) + latents
            latents = layer[1](latents) + latents
        out: Tensor = self.norm_out(self.proj_out(latents))
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int, image_branch: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = nn.Linear(context, width, bias=False), nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.0))
        if image_branch:
            self.to_k_ip, self.to_v_ip = nn.Linear(context, width, bias=False), nn.Linear(context, width, bias=False)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def forward(self, x: Tensor, context: Tensor, image: Tensor | None = None) -> Tensor:
        q = self.to_q(x)
        mixed = self._attend(q, self.to_k(context), self.to_v(context))
        if image is not None:
            mixed = mixed + self._attend(q, self.to_k_ip(image), self.to_v_ip(image))
        out: Tensor = self.to_out(mixed)
        return out


class _GEGLU(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        out: Tensor = value * F.gelu(gate)
        return out


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(_GEGLU(width, 4 * width), nn.Dropout(0.0), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class _Block(nn.Module):
    def __init__(self, width: int, context: int, heads: int, image_branch: bool) -> None:
        super().__init__()
        self.attn1 = _Attention(width, width, heads)
        self.ff = _FeedForward(width)
        self.attn2 = _Attention(width, context, heads, image_branch)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, context: Tensor, image: Tensor | None, views: int) -> Tensor:
        together = self.norm1(x).unflatten(0, (-1, views)).flatten(1, 2)
        x = self.attn1(together, together).unflatten(1, (views, -1)).flatten(0, 1) + x
        x = self.attn2(self.norm2(x), context, image) + x
        out: Tensor = self.ff(self.norm3(x)) + x
        return out


class _Transformer(nn.Module):
    def __init__(self, width: int, context: int, head: int, depth: int, image_branch: bool) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList(
            _Block(width, context, width // head, image_branch) for _ in range(depth)
        )
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, image: Tensor | None, views: int) -> Tensor:
        tokens = self.proj_in(self.norm(x).flatten(2).mT)
        for block in self.transformer_blocks:
            tokens = block(tokens, context, image, views)
        out: Tensor = self.proj_out(tokens).mT.reshape(x.shape) + x
        return out


class _ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, outputs), nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(embedding)[..., None, None]
        out: Tensor = self.skip_connection(x) + self.out_layers(h)
        return out


class _Level(nn.ModuleList):
    """Pieces one after the other, each given what it takes."""

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor, image: Tensor | None, views: int) -> Tensor:
        for piece in self:
            if isinstance(piece, _ResBlock):
                x = piece(x, embedding)
            elif isinstance(piece, _Transformer):
                x = piece(x, context, image, views)
            else:
                x = piece(x)
        return x


class MultiViewUNet(nn.Module):
    """Noise of several views at once.

    Args:
        in_channels: of a latent.
        out_channels: of the result.
        model_channels: width of the first level.
        attention_resolutions: factors of shrinking at which there is attention.
        num_res_blocks: a level down; one more up.
        channel_mult: width of each level, in `model_channels`.
        num_head_channels: width of a head.
        transformer_depth: blocks of a transformer.
        context_dim: width of the text tokens.
        camera_dim: numbers of a camera.
        ip_dim: tokens of the picture; 0 leaves the picture's branch out.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        model_channels: int = 320,
        attention_resolutions: Sequence[int] = (4, 2, 1),
        num_res_blocks: int = 2,
        channel_mult: Sequence[int] = (1, 2, 4, 4),
        num_head_channels: int = 64,
        transformer_depth: int = 1,
        context_dim: int = 1024,
        camera_dim: int = 16,
        ip_dim: int = 16,
    ) -> None:
        super().__init__()
        self.model_channels, self.ip_dim = model_channels, ip_dim
        wide = 4 * model_channels

        def mlp(inputs: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(inputs, wide), nn.SiLU(), nn.Linear(wide, wide))

        def transformer(width: int) -> _Transformer:
            return _Transformer(width, context_dim, num_head_channels, transformer_depth, ip_dim > 0)

        self.time_embed, self.camera_embed = mlp(model_channels), mlp(camera_dim)
        if ip_dim:
            self.image_embed = _Resampler(ip_dim, context_dim)
        width, factor, skips = model_channels, 1, [model_channels]
        down = [_Level([nn.Conv2d(in_channels, width, 3, padding=1)])]
        for level, multiple in enumerate(channel_mult):
            for _ in range(num_res_blocks):
                pieces: list[nn.Module] = [_ResBlock(width, multiple * model_channels, wide)]
                width = multiple * model_channels
                pieces += [transformer(width)] if factor in attention_resolutions else []
                down.append(_Level(pieces))
                skips.append(width)
            if level < len(channel_mult) - 1:
                down.append(_Level([Halve(width)]))
                skips.append(width)
                factor *= 2
        self.input_blocks = nn.ModuleList(down)
        self.middle_block = _Level([_ResBlock(width, width, wide), transformer(width), _ResBlock(width, width, wide)])
        up = []
        for level, multiple in reversed(list(enumerate(channel_mult))):
            for number in range(num_res_blocks + 1):
                pieces = [_ResBlock(width + skips.pop(), multiple * model_channels, wide)]
                width = multiple * model_channels
                pieces += [transformer(width)] if factor in attention_resolutions else []
                if level and number == num_res_blocks:
                    pieces.append(Double(width))
                    factor //= 2
                up.append(_Level(pieces))
        self.output_blocks = nn.ModuleList(up)
        self.out = nn.Sequential(nn.GroupNorm(32, width), nn.SiLU(), nn.Conv2d(width, out_channels, 3, padding=1))

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        camera: Tensor,
        views: int,
        image_tokens: Tensor | None = None,
        image_latents: Tensor | None = None,
    ) -> Tensor:
        """Predicted noise like `x`.

        Args:
            x: [B*views,4,h,w], views of a sample one after the other.
            timesteps: [B*views].
            context: text tokens [B*views,L,context_dim].
            camera: [B*views,16], `multiview_cameras`.
            views: of a sample, with the extra one that carries the picture.
            image_tokens: of CLIP [B*views,K,1280]; None leaves that branch out.
            image_latents: of the picture [B,4,h,w]; it takes the place of each sample's last view.
        """
        embedding = self.time_embed(time_table(timesteps, self.model_channels).to(x)) + self.camera_embed(camera)
        image = self.image_embed(image_tokens) if image_tokens is not None else None
        if image_latents is not None:
            x = x.clone()
            x[views - 1 :: views] = image_latents
        skips = []
        for level in self.input_blocks:
            x = level(x, embedding, context, image, views)
            skips.append(x)
        x = self.middle_block(x, embedding, context, image, views)
        for level in self.output_blocks:
            x = level(torch.cat((x, skips.pop()), dim=1), embedding, context, image, views)
        out: Tensor = self.out(x)
        return out
