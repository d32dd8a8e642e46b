"""The motion model of CMD: the noise in a motion latent, given the content frame (docs/methods/content_motion.md, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .dit import (
    Block,
    FinalLayer,
    PatchEmbedding,
    TimeEmbedding,
    check_width,
    fixed,
    folded,
    grid_of,
    initialise,
    preset_sizes,
    require_shape,
)
from .tables import laid_out


class MotionDiT(nn.Module):
    """A diffusion transformer on the tokens of a motion latent, followed by those of the content frame.

    Args:
        latent_size: (L, W'+H') of the motion latent.
        channels: D of the motion latent.
        content_size: (H, W) of the content frame.
        content_channels: C.
        patch_size: of the motion latent.
        content_patch_size: of the content frame.
        width: channels.
        depth: blocks.
        heads: of attention.
        table: "square" as released, "grid" for any sizes; what a checkpoint holds takes its place.
        latent_mean: D, of motion latents; with `latent_std` the model draws standardised latents (ours). None = as they are, as released.
        latent_std: D.

    Raises:
        DisMoError: sizes that patches or heads do not divide, or no such table.
    """

    def __init__(
        self,
        latent_size: tuple[int, int] = (16, 64),
        channels: int = 8,
        content_size: tuple[int, int] = (64, 64),
        content_channels: int = 3,
        patch_size: int = 2,
        content_patch_size: int = 4,
        width: int = 1152,
        depth: int = 28,
        heads: int = 16,
        table: str = "square",
        latent_mean: Sequence[float] | None = None,
        latent_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_width(width, heads)
        self.geometry: dict[str, Any] = {
            **dict(latent_size=list(latent_size), channels=channels, content_size=list(content_size)),
            **dict(content_channels=content_channels, patch_size=patch_size, content_patch_size=content_patch_size),
            **dict(width=width, depth=depth, heads=heads, table=table),
        }
        self.standard: tuple[Tensor, Tensor] | None = None
        if latent_mean is not None and latent_std is not None:
            self.geometry |= {"latent_mean": list(latent_mean), "latent_std": list(latent_std)}
            self.standard = (torch.tensor(latent_mean)[:, None, None], torch.tensor(latent_std)[:, None, None])
        self.latent_size, self.content_size = (latent_size[0], latent_size[1]), (content_size[0], content_size[1])
        self.channels, self.content_channels, self.patch_size = channels, content_channels, patch_size
        self.grid = grid_of(self.latent_size, patch_size, "A motion latent of")
        content_grid = grid_of(self.content_size, content_patch_size, "A content frame of")
        self.x_embedder = PatchEmbedding(channels, width, patch_size)
        self.keyframe_embedder = PatchEmbedding(content_channels, width, content_patch_size)
        self.t_embedder = TimeEmbedding(width)
        self.pos_embed = fixed(laid_out(table, width, *self.grid))
        self.keyframe_pos_embed = fixed(laid_out(table, width, *content_grid))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.final_layer = FinalLayer(width, patch_size**2 * 2 * channels)
        initialise(self)

    @classmethod
    def preset(cls, name: str, **sizes: Any) -> MotionDiT:
        """One of the published sizes, such as "L/2": S, B, L or XL, and patches of 2, 4 or 8. sizes: the other arguments."""
        return cls(**{**preset_sizes(name), **sizes})

    def standardised(self, motion: Tensor) -> Tensor:
        """What the model learns to draw of motion latents [B,D,L,W'+H']."""
        if self.standard is None:
            return motion
        mean, std = (value.to(motion) for value in self.standard)
        return (motion - mean) / std

    def latents(self, drawn: Tensor) -> Tensor:
        """Motion latents of what the model draws; the way back from `standardised`."""
        if self.standard is None:
            return drawn
        mean, std = (value.to(drawn) for value in self.standard)
        return (drawn * std + mean).clamp(-1, 1)

    def forward(self, x: Tensor, t: Tensor, content: Tensor) -> Tensor:
        """Predict noise and variance.

        Args:
            x: noisy motion latents [B,D,L,W'+H'].
            t: time steps [B], 0..999.
            content: content frames [B,C,H,W].

        Returns:
            [B,2D,L,W'+H']: the noise, then the variance between its bounds.

        Raises:
            DisMoError: latents or content frames of another size than this model's.
        """
        require_shape(x, (self.channels, *self.latent_size), "The motion latent")
        require_shape(content, (self.content_channels, *self.content_size), "The content frame")
        dtype = self.pos_embed.dtype
        motion = self.x_embedder(x.to(dtype)) + self.pos_embed
        tokens = torch.cat((motion, self.keyframe_embedder(content.to(dtype)) + self.keyframe_pos_embed), dim=1)
        c = self.t_embedder(t)
        for block in self.blocks:
            tokens = block(tokens, c)
        return folded(self.final_layer(tokens[:, : motion.shape[1]], c), *self.grid, self.patch_size)
