"""Which additive positional table the base adds to its tokens (docs/methods/dismo.md, 7.4)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import DisMoError

Positions = Literal["auto", "sincos", "stored"]


class PositionTables:
    """Stands in a `CogVideoXPatchEmbed` for its own choice of table.

    diffusers adds the stored table at the base's full length and a fresh sine-cosine one, rebuilt at every step, at
    any other. Here the choice is open, and a table is made once.

    Args:
        patch_embed: of the base's transformer.
        dtype: of its activations.

    Attributes:
        mode: "auto" = as diffusers; "sincos" = always sine-cosine, what the adapter was trained with at 25 frames;
            "stored" = always the stored table, its first latent frames where the video is shorter.
    """

    def __init__(self, patch_embed: Any, dtype: torch.dtype) -> None:
        self.patch_embed = patch_embed
        self.dtype = dtype
        self.mode: Positions = "auto"
        self._own_frames = patch_embed.sample_frames
        self._held: tuple[tuple[Any, ...], Tensor] | None = None
        patch_embed.sample_frames = None  # equals no length, so diffusers asks for a table at every length
        patch_embed._get_positional_embeddings = self.table

    def forget(self) -> None:
        """Let go of the table that was made last, which lies on the device."""
        self._held = None

    def remove(self) -> None:
        """Give the patch embedding its own choice back."""
        self.forget()
        self.patch_embed.sample_frames = self._own_frames
        del self.patch_embed._get_positional_embeddings

    def table(self, height: int, width: int, frames: int, device: torch.device) -> Tensor:
        """[1, text tokens + image tokens, width] for latents of height x width and a video of `frames` frames."""
        if self.mode == "stored" or (self.mode == "auto" and frames == self._own_frames):
            return self._stored(height, width, frames).to(device)
        key = (height, width, frames, device)
        if self._held is None or self._held[0] != key:
            make = type(self.patch_embed)._get_positional_embeddings
            self._held = key, make(self.patch_embed, height, width, frames, device).to(self.dtype)
        return self._held[1]

    def _stored(self, height: int, width: int, frames: int) -> Tensor:
        """The rows of the stored table for the first latent frames."""
        embed = self.patch_embed
        latent_frames = (frames - 1) // embed.temporal_compression_ratio + 1
        cells = (height // embed.patch_size) * (width // embed.patch_size)
        rows: Tensor = embed.pos_embedding[:, : embed.max_text_seq_length + latent_frames * cells]
        return rows


def require_positions(mode: str) -> None:
    """Raise unless `mode` is a choice of table."""
    if mode not in get_args(Positions):
        raise DisMoError(f"Unknown positions {mode!r}. Choose one of {', '.join(get_args(Positions))}.")
