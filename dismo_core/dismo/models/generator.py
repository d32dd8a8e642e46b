"""The frame generator: source frame, one motion vector and a time gap in, the later frame out (docs/methods/dismo.md, 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from .dino import FrameEncoder
from .inputs import check_frames
from .layers import Mapping, RMSNorm, zero_linear
from .rotary import AxialRotary2D, grid_positions
from .space_to_depth import SpaceToDepth
from .transformer import TransformerLayer


class FourierTime(nn.Module):
    """[cos(2 pi t w), sin(2 pi t w)] with fixed gaussian w."""

    weight: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(width // 2, 1))

    def forward(self, t: Tensor) -> Tensor:
        """t [B] -> [B, width]."""
        angle = 2 * math.pi * t[:, None] * self.weight[:, 0]
        return torch.cat((angle.cos(), angle.sin()), dim=-1)


class TokenMerge(nn.Module):
    """Blocks of latent pixels to tokens; row in block slow, column, channel fast."""

    def __init__(self, channels: int, patch: tuple[int, int], width: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Linear(channels * patch[0] * patch[1], width, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        """[B,h,w,c] -> [B, (h/p)(w/q), width]."""
        p, q = self.patch
        blocks = z.unflatten(1, (-1, p)).unflatten(3, (-1, q)).transpose(2, 3).flatten(3)
        out: Tensor = self.proj(blocks.flatten(1, 2))
        return out


class TokenSplit(nn.Module):
    """The inverse arrangement, after a norm; starts at zero."""

    def __init__(self, channels: int, patch: tuple[int, int], width: int) -> None:
        super().__init__()
        self.patch = patch
        self.norm = RMSNorm(width)
        self.proj = zero_linear(width, channels * patch[0] * patch[1])

    def forward(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """[B, rows * columns, width] -> [B, rows p, columns q, c]."""
        p, q = self.patch
        blocks: Tensor = self.proj(self.norm(x)).unflatten(-1, (p, q, -1)).unflatten(1, (rows, columns))
        return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class GeneratorTransformer(nn.Module):
    """Layers with adaptive norms, cross-attending to the source frame's tokens."""

    def __init__(self, width: int, depth: int, d_head: int, d_cond: int, d_context: int) -> None:
        super().__init__()
        self.pos_emb = AxialRotary2D(width // d_head, d_head)
        self.layers = nn.ModuleList(
            TransformerLayer(width, d_head, d_cond=d_cond, d_context=d_context) for _ in range(depth)
        )

    def forward(self, x: Tensor, cells: Tensor, cond: Tensor, context: Tensor, context_cells: Tensor) -> Tensor:
        table, context_table = self.pos_emb(cells), self.pos_emb(context_cells)
        for layer in self.layers:
            x = layer(x, table, cond, context, context_table)
        return x


@dataclass(frozen=True)
class Conditions:
    """What stays the same over all denoising steps: source tokens [B, M, C] and projected motion and gap [B, mapping]."""

    source: Tensor
    motion: Tensor


class FrameGenerator(nn.Module):
    """Flow-matching transformer on the latents of a frozen autoencoder.

    The autoencoder is part of the model but not of its state dict.

    Args:
        width: token width.
        depth: layers.
        d_head: head width, a multiple of 8.
        d_motion: width of a motion embedding.
        patch_size: latent pixels (rows, columns) of a token.
        mapping_depth: feed-forward blocks of the condition network.
        mapping_width: width of the condition network.
        source_encoder: arguments of `FrameEncoder`.
        train_resolution: (height, width) of the frames it was trained at, px.
        autoencoder: diffusers' `AutoencoderTiny` or alike: `encode(x).latents`, `decode(z).sample` on channels-first
            tensors in -1..1, `config.latent_channels`.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        d_head: int,
        d_motion: int,
        patch_size: tuple[int, int] = (2, 2),
        mapping_depth: int = 2,
        mapping_width: int = 1024,
        source_encoder: dict[str, int] | None = None,
        autoencoder: Any = None,
        train_resolution: tuple[int, int] = (256, 256),
    ) -> None:
        super().__init__()
        from .extractor import DINO_LARGE

        source_encoder = source_encoder or DINO_LARGE
        self.geometry: dict[str, Any] = dict(  # see `MotionExtractor`; the autoencoder is described beside it
            width=width,
            depth=depth,
            d_head=d_head,
            d_motion=d_motion,
            patch_size=patch_size,
            mapping_depth=mapping_depth,
            mapping_width=mapping_width,
            source_encoder=source_encoder,
            train_resolution=train_resolution,
        )
        channels = autoencoder.config.latent_channels
        self.d_motion = d_motion
        self.mapping_width = mapping_width
        self.patch_size = patch_size
        self.size = (train_resolution[0], train_resolution[1])
        self.extractor_id = ""  # of the extractor it was trained with; the loader knows
        self.source_encoder = FrameEncoder(**source_encoder)
        self.token_merge = TokenMerge(channels, patch_size, width)
        self.token_split = TokenSplit(channels, patch_size, width)
        self.transformer = GeneratorTransformer(width, depth, d_head, mapping_width, self.source_encoder.embed_dim)
        self.mapping = Mapping(mapping_width, mapping_depth)
        self.time_emb = FourierTime(mapping_width)
        self.time_in_proj = nn.Linear(mapping_width, mapping_width, bias=False)
        self.motion_proj = zero_linear(d_motion + mapping_width, mapping_width)
        self._autoencoder = (
            autoencoder.requires_grad_(False),
        )  # in a tuple: not a submodule, so not in the state dict

    @classmethod
    def tiny(cls) -> FrameGenerator:
        """The geometry of the bundled weights, for a CPU; its latents are squares of 4 x 4 pixels."""
        return cls(**TINY, autoencoder=SpaceToDepth(4), train_resolution=(64, 64))

    @property
    def autoencoder(self) -> Any:
        """The frozen autoencoder."""
        return self._autoencoder[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FrameGenerator:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.autoencoder._apply(fn)  # the autoencoder follows to another device or dtype
        return self

    def encode(self, frames: Tensor) -> Tensor:
        """Frames [B,H,W,3] in -1..1 -> latents [B,h,w,c]."""
        with torch.no_grad():
            latents: Tensor = self.autoencoder.encode(frames.movedim(-1, 1).to(self.dtype)).latents
        return latents.movedim(1, -1).contiguous()

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,h,w,c] -> frames [B,H,W,3], about -1..1."""
        frames: Tensor = self.autoencoder.decode(latents.movedim(-1, 1)).sample
        return frames.movedim(1, -1)

    def conditions(self, source_frames: Tensor, motion: Tensor, delta_time: Tensor) -> Conditions:
        """Source frames [B,H,W,3] in -1..1 (or one for all), motion [B,d_motion], gaps [B] in frame steps (0..4) -> `Conditions`."""
        source = self.source_encoder(source_frames).expand(len(motion), -1, -1)
        return Conditions(source, self.motion_condition(motion, delta_time))

    def motion_condition(self, motion: Tensor, delta_time: Tensor) -> Tensor:
        """Motion [B,d_motion] and gaps [B] in frame steps -> [B, mapping_width]."""
        width = self.mapping_width
        rate = 10000.0 ** (-torch.arange(width // 2, device=motion.device) / (width // 2 - 1))
        angle = 100 * delta_time.float()[:, None] * rate
        gap = torch.cat((angle.sin(), angle.cos()), dim=-1).to(motion.dtype)
        out: Tensor = self.motion_proj(torch.cat((motion, gap), dim=-1))
        return out

    def condition_vector(self, t: Tensor, conditions: Conditions) -> Tensor:
        """c [B, mapping_width], fed to every adaptive norm; t [B] in 0..1."""
        out: Tensor = self.mapping(conditions.motion + self.time_in_proj(self.time_emb(t).to(conditions.motion.dtype)))
        return out

    def velocity_given(self, latents: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """Velocity [B,h,w,c] at latents [B,h,w,c], time t [B] in 0..1 (1 = noise)."""
        rows, columns = latents.shape[1] // self.patch_size[0], latents.shape[2] // self.patch_size[1]
        side = self.source_encoder.side
        x = self.transformer(
            self.token_merge(latents),
            grid_positions(rows, columns, latents.device),
            self.condition_vector(t, conditions),
            conditions.source,
            grid_positions(side, side, latents.device),
        )
        out: Tensor = self.token_split(x, rows, columns)
        return out

    def velocity(self, latents: Tensor, t: Tensor, source_frames: Tensor, motion: Tensor, delta_time: Tensor) -> Tensor:
        """Velocity [B,h,w,c] that carries z_t along dz/dt = noise - data.

        Args:
            latents: channels-last [B,h,w,c].
            t: [B], 0 (data) .. 1 (noise).
            source_frames: [B,H,W,3], -1..1.
            motion: [B,d_motion].
            delta_time: [B], frame steps, 0..4.

        Raises:
            DisMoError: wrong shapes or ranges.
        """
        self._check(source_frames, motion, delta_time)
        return self.velocity_given(latents, t, self.conditions(source_frames, motion, delta_time))

    def loss(
        self,
        target_frames: Tensor,
        source_frames: Tensor,
        motion: Tensor,
        delta_time: Tensor,
        t: Tensor | None = None,
    ) -> Tensor:
        """Flow-matching loss per sample, [B].

        Args:
            target_frames: [B,H,W,3], -1..1.
            source_frames: [B,H,W,3], -1..1.
            motion: [B,d_motion].
            delta_time: [B], frame steps.
            t: [B] in 0..1; drawn as sigmoid(normal) where not given, as published.
        """
        self._check(source_frames, motion, delta_time)
        clean = self.encode(target_frames)
        if t is None:
            t = torch.sigmoid(torch.randn(len(clean), device=clean.device))
        return self.flow_loss(clean, self.conditions(source_frames, motion, delta_time), t, torch.randn_like(clean))

    def flow_loss(self, clean: Tensor, conditions: Conditions, t: Tensor, noise: Tensor) -> Tensor:
        """|v - (noise - clean)|^2 per sample, [B]; clean and noise [B,h,w,c], t [B]."""
        return self.flow_error(clean, conditions, t, noise).square().flatten(1).mean(dim=1)

    def flow_error(self, clean: Tensor, conditions: Conditions, t: Tensor, noise: Tensor) -> Tensor:
        """v - (noise - clean) on the way from clean to noise [B,h,w,c] at t [B]; [B,h,w,c]."""
        mix = t[:, None, None, None]
        return self.velocity_given((1 - mix) * clean + mix * noise, t, conditions) - (noise - clean)

    def sample_latents(
        self,
        noise: Tensor,
        conditions: Conditions,
        steps: int = 50,
        progress: Callable[[int, int], None] | None = None,
        away_from: Conditions | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """Euler steps from noise [B,h,w,c] at t = 1 to data at t = 0; progress(done, steps) may raise to cancel.

        With `away_from`, v = v' + guidance (v - v') with v' the velocity under those conditions (Ho & Salimans 2022).
        """
        z = noise
        for i in range(steps, 0, -1):
            t = torch.full((len(z),), i / steps, device=z.device)
            v = self.velocity_given(z, t, conditions)
            if away_from is not None:
                other = self.velocity_given(z, t, away_from)
                v = other + guidance * (v - other)
            z = z - v / steps
            if progress is not None:
                progress(steps - i + 1, steps)
        return z

    @torch.no_grad()
    def sample(
        self, noise: Tensor, source_frames: Tensor, motion: Tensor, delta_time: Tensor, steps: int = 50
    ) -> Tensor:
        """Frames [B,H,W,3] in -1..1 that follow the source frames by `delta_time`.

        Args:
            noise: [B,h,w,c], standard normal.
            source_frames: [B,H,W,3], -1..1.
            motion: [B,d_motion].
            delta_time: [B], frame steps, 0..4.
            steps: Euler steps, at least 1.

        Raises:
            DisMoError: wrong shapes, ranges or step count.
        """
        if steps < 1:
            raise DisMoError(f"steps must be at least 1, not {steps}.")
        self._check(source_frames, motion, delta_time)
        return self.decode(self.sample_latents(noise, self.conditions(source_frames, motion, delta_time), steps))

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.token_merge.proj.weight.dtype

    def _check(self, source_frames: Tensor, motion: Tensor, delta_time: Tensor) -> None:
        check_frames(source_frames, "source frames")
        if motion.ndim != 2 or motion.shape[-1] != self.d_motion:
            raise DisMoError(
                f"Motion has shape {list(motion.shape)}; this generator takes [batch, {self.d_motion}]. "
                "Use the extractor it was trained with."
            )
        if not len(source_frames) == len(motion) == len(delta_time):
            raise DisMoError(
                f"{len(source_frames)} source frames, {len(motion)} motions and {len(delta_time)} time gaps were given; "
                "one of each per sample is needed."
            )


TINY: dict[str, Any] = dict(
    width=192,
    depth=4,
    d_head=48,
    d_motion=32,
    patch_size=(1, 1),
    mapping_width=128,
    source_encoder=dict(embed_dim=128, depth=3, num_heads=4, image_size=224),
)
