"""The autoencoder of CMD: a clip as a content frame and a motion latent, and back (docs/methods/content_motion.md, 2)."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from ...runtime import Runtime
from ..refine import refined
from .space_time import SpaceTimeTransformer

IDENTIFYING = ("pre_xt.weight", "pre_yt.weight", "to_patch_embedding_xy.weight")


class Latents(NamedTuple):
    """A clip taken apart.

    Args:
        content: [B,C,H,W], the content frame.
        motion: [B,D,L,W'+H'], the motion latent, -1..1; the width part comes first.
    """

    content: Tensor
    motion: Tensor


class ContentMotionAutoencoder(nn.Module):
    """Content frame and motion latent of clips of any length and any size that the patch divides.

    Args:
        width: channels of the transformers.
        depth: layers of encoder and decoder, each.
        heads: of attention; they divide the width.
        patch_size: p, pixels (in latent mode: latents).
        channels: C, 3 in pixel mode, 4 for latents of Stable Diffusion.
        motion_channels: D.
        mode: "pixel" (values in -1..1, the decoder ends in a sigmoid) or "latent" (any values).
        positions: "none" as in the release, or "rotary".

    Raises:
        DisMoError: sizes that do not fit each other, or a choice that there is not.
    """

    def __init__(
        self,
        width: int = 384,
        depth: int = 8,
        heads: int = 8,
        patch_size: int = 2,
        channels: int = 3,
        motion_channels: int = 8,
        mode: str = "pixel",
        positions: str = "none",
    ) -> None:
        super().__init__()
        _check(width, heads, mode, positions)
        self.geometry: dict[str, Any] = {
            **dict(width=width, depth=depth, heads=heads, patch_size=patch_size, channels=channels),
            **dict(motion_channels=motion_channels, mode=mode, positions=positions),
        }
        self.patch_size, self.channels, self.motion_channels = patch_size, channels, motion_channels
        self.mode, self.positions = mode, positions
        self._id = ""
        rotary, values = positions == "rotary", channels * patch_size**2
        self.encoder = SpaceTimeTransformer(width, depth, heads, rotary=rotary, patch_values=values)
        self.decoder = SpaceTimeTransformer(width, depth, heads, rotary=rotary)
        # The keys of the release, in which 0 has no weights.
        self.to_logit = nn.ModuleDict({"1": nn.ConvTranspose2d(width, channels, patch_size, patch_size)})
        self.to_output = nn.ModuleDict({"1": nn.ConvTranspose2d(width, channels, patch_size, patch_size)})
        self.pre_xt = nn.Conv2d(width, motion_channels, 1)
        self.pre_yt = nn.Conv2d(width, motion_channels, 1)
        self.post_xt = nn.Conv2d(motion_channels, width, 1)
        self.post_yt = nn.Conv2d(motion_channels, width, 1)
        self.to_patch_embedding_xy = nn.Linear(values, width)

    @property
    def id(self) -> str:
        """What motion latents of this autoencoder are marked with: 16 hex digits (docs/methods/content_motion.md, 5.2)."""
        return self._id or _hashed([self.get_parameter(name) for name in IDENTIFYING])

    def pin_id(self) -> None:
        """Keep the id as it is now, through casts that come later."""
        self._id = self.id

    def encode(self, clip: Tensor, refine: int = 0, runtime: Runtime | None = None) -> Latents:
        """Take clips apart.

        Args:
            clip: [B,C,L,H,W]; -1..1 in pixel mode.
            refine: steps of gradient descent on the latents of these clips, for clips unlike those of the training.
            runtime: progress and cancel of those steps.

        Raises:
            DisMoError: another number of axes or channels, a size that the patch does not divide, fewer than 2 frames.
        """
        latents, _ = self.encode_with_weights(clip)
        return refined(self, clip, latents, refine, runtime) if refine else latents

    def encode_with_weights(self, clip: Tensor) -> tuple[Latents, Tensor]:
        """Take clips apart, see `encode`; and see `content_weights`."""
        self._grid(clip, "A clip", 5, "[B,C,L,H,W]")
        if clip.shape[2] < 2:
            raise DisMoError(f"A clip of {clip.shape[2]} frames has no motion; give at least 2 frames.")
        hidden: Tensor = self.encoder(self.encoder.to_patch_embedding(self._patches(clip.transpose(1, 2))))
        weights = self._to_pixels(self.to_logit["1"], hidden).float().softmax(dim=2)
        content = (weights * clip.float()).sum(dim=2).to(clip.dtype)
        volume = hidden.permute(0, 4, 1, 2, 3)  # [B,C',L,H',W']
        motion = torch.cat((self.pre_xt(volume.mean(dim=3)), self.pre_yt(volume.mean(dim=4))), dim=-1).tanh()
        return Latents(content, motion), weights

    def content_weights(self, clip: Tensor) -> Tensor:
        """From which frame each value of the content frame comes: [B,C,L,H,W], summing to 1 over L; see `encode`."""
        return self.encode_with_weights(clip)[1]

    def decode(self, content: Tensor, motion: Tensor) -> Tensor:
        """Put clips together.

        Args:
            content: [B,C,H,W].
            motion: [B,D,L,W'+H'].

        Returns:
            [B,C,L,H,W]; -1..1 in pixel mode.

        Raises:
            DisMoError: sizes that do not fit this autoencoder or each other.
        """
        rows, columns = self._grid(content, "A content frame", 4, "[B,C,H,W]")
        if motion.ndim != 4 or motion.shape[0] != content.shape[0] or motion.shape[1] != self.motion_channels:
            raise DisMoError(
                f"The motion latent must be [{content.shape[0]},{self.motion_channels},L,{columns + rows}], not {list(motion.shape)}: "
                "one for each content frame, made by this autoencoder."
            )
        if motion.shape[3] != columns + rows:
            raise DisMoError(
                f"A motion latent of {motion.shape[3]} positions does not fit a content frame of {content.shape[2]}x{content.shape[3]} "
                f"(height x width), which needs {columns} + {rows} = {columns + rows}. Take both from clips of one size."
            )
        tokens = self.to_patch_embedding_xy(self._patches(content)).permute(0, 3, 1, 2)  # [B,C',H',W']
        along, down = motion.split((columns, rows), dim=3)
        volume = tokens[:, :, None] + self.post_xt(along)[:, :, :, None] + self.post_yt(down)[..., None]
        hidden = self.decoder(volume.permute(0, 2, 3, 4, 1).contiguous())
        frames = self._to_pixels(self.to_output["1"], hidden)
        return 2 * frames.sigmoid() - 1 if self.mode == "pixel" else frames

    def forward(self, clip: Tensor) -> Tensor:
        """The reconstruction [B,C,L,H,W] of clips [B,C,L,H,W]."""
        return self.decode(*self.encode(clip))

    def _patches(self, frames: Tensor) -> Tensor:
        """[...,C,H,W] -> [...,H',W',p*p*C], in the order row, column, channel."""
        p = self.patch_size
        cut: Tensor = frames.unflatten(-2, (-1, p)).unflatten(-1, (-1, p))  # [...,C,H',p,W',p]
        return cut.movedim(-5, -1).transpose(-4, -3).flatten(-3)

    def _to_pixels(self, layer: nn.Module, hidden: Tensor) -> Tensor:
        """[B,L,H',W',C'] -> [B,C,L,H,W]."""
        frames: Tensor = layer(hidden.flatten(0, 1).permute(0, 3, 1, 2))
        return frames.view(*hidden.shape[:2], *frames.shape[1:]).transpose(1, 2)

    def _grid(self, x: Tensor, what: str, axes: int, layout: str) -> tuple[int, int]:
        """Rows and columns of patches."""
        if x.ndim != axes or x.shape[1] != self.channels:
            raise DisMoError(
                f"{what} must be {layout} with C = {self.channels}, not {list(x.shape)}. "
                f"This autoencoder was made for {self.channels} channels ({self.mode} mode)."
            )
        height, width = x.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height or not width:
            raise DisMoError(
                f"{what} of {height}x{width} (height x width) cannot be cut into patches of {self.patch_size}: "
                f"both must be multiples of {self.patch_size}. Resize or crop it."
            )
        return height // self.patch_size, width // self.patch_size


def held_still(autoencoder: ContentMotionAutoencoder, content: Tensor, frames: int) -> Tensor:
    """The motion latent [B,D,L,W'+H'] of content frames [B,C,H,W] shown for so many frames: of no motion."""
    return autoencoder.encode(content[:, :, None].expand(-1, -1, frames, -1, -1)).motion


def _hashed(weights: list[Tensor]) -> str:
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def _check(width: int, heads: int, mode: str, positions: str) -> None:
    if width % heads:
        raise DisMoError(f"The width {width} cannot be divided among {heads} heads. Choose a multiple of {heads}.")
    if mode not in ("pixel", "latent"):
        raise DisMoError(f"There is no mode {mode!r} of the autoencoder: choose 'pixel' or 'latent'.")
    if positions not in ("none", "rotary"):
        raise DisMoError(f"There are no positions {positions!r}: choose 'none', as released, or 'rotary'.")
    if positions == "rotary" and width // heads % 4:
        raise DisMoError(
            f"Rotary positions need heads whose width is a multiple of 4; {width} / {heads} = {width // heads} is none."
        )
