"""The generator alone: it learns to go on from pictures of its own making, as a roll-out asks of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..rollout import STRIDE
from .drawn_clips import LongBatch
from .objective import blurred

MOST_DEGRADED = 3  # strides


class Refining(nn.Module):
    """Reconstruct what comes after each stride of a long clip from pictures as degraded as those that a roll-out goes on from.

    A roll-out lags behind, too. Its own pictures as sources would teach the generator to catch up at once, in leaps; what is
    passed through it held still is degraded alike and stays where it is.

    Args:
        extractor: stands still.
        generator: learns.
    """

    def __init__(self, extractor: MotionExtractor, generator: FrameGenerator) -> None:
        super().__init__()
        self.extractor = extractor.requires_grad_(False)
        self.generator = generator

    def forward(
        self, motion: Tensor, source: Tensor, gap: Tensor, clean: Tensor, noise: Tensor, t: Tensor, blur: Tensor
    ) -> dict[str, Tensor]:
        """Loss of a batch of long clips of N strides.

        Args:
            motion: see `LongBatch`.
            source: see `LongBatch`.
            gap: see `LongBatch`.
            clean: latents of the targets [B, N, h, w, c].
            noise: noise [B, N, h, w, c].
            t: [B, N].
            blur: [B], how much the sources are blurred beforehand, 0..1.
        """
        with torch.no_grad():
            tokens = self.extractor.encode(motion)
            embeddings = self.embeddings(tokens)
            source = blurred(source, blur[:, None, None, None, None])
            source = self.degraded(source, tokens, noise)
            weight = change_weights(self.generator.encode(source.flatten(0, 1)), clean.flatten(0, 1))
        conditions = self.generator.conditions(source.flatten(0, 1), embeddings.flatten(0, 1), gap.flatten())
        error = self.generator.flow_error(clean.flatten(0, 1), conditions, t.flatten(), noise.flatten(0, 1))
        loss = (weight[..., None] * charbonnier(error)).mean()
        return {"loss": loss, "flow": loss}

    def embeddings(self, tokens: Tensor) -> Tensor:
        """Tokens of 4N + 1 frames -> the embeddings of frames 0, 4, 8, ... [B, N, d], as `forward_sliding` gives them."""
        window, last = self.extractor.window, self.extractor.window - self.extractor.look_ahead - 1
        found = []
        for frame in range(0, tokens.shape[1] - 1, STRIDE):
            start = max(0, frame - last)
            found.append(self.extractor.motion(tokens[:, start : start + window])[:, frame - start])
        return torch.stack(found, dim=1)

    def degraded(self, source: Tensor, tokens: Tensor, noise: Tensor) -> Tensor:
        """Sources [B, N, H, W, 3] after 0 to `MOST_DEGRADED` strides that move nothing, a quarter of the clips each."""
        long_clips, strides = source.shape[:2]
        still = self.extractor.motion(tokens[:, :1].expand(-1, self.extractor.window, -1, -1))[:, 0]
        still = still[:, None].expand(-1, strides, -1).flatten(0, 1)
        for more in range(1, MOST_DEGRADED + 1):
            undegraded = long_clips * more // (MOST_DEGRADED + 1)
            part = slice(undegraded * strides, None)
            frames, z = source.flatten(0, 1)[part], noise.flatten(0, 1).roll(more, dims=0)[part]  # of other strides
            gap = torch.full((len(z),), float(STRIDE), device=z.device)
            conditions = self.generator.conditions(frames, still[part], gap)
            made = self.generator.decode(self.generator.sample_latents(z, conditions, steps=1)).clamp(-1, 1)
            source = torch.cat((source[:undegraded], made.to(source.dtype).unflatten(0, (-1, strides))))
        return source


def refine_step(run: Any, generator: FrameGenerator, long_clips: LongBatch) -> dict[str, Tensor]:
    """One evaluation of `Refining`; draws the noise and the flow times, of which half are 1, where a roll-out starts its strides."""
    clean = generator.encode(long_clips.target.flatten(0, 1)).unflatten(0, long_clips.gap.shape)
    device = clean.device
    t = torch.sigmoid(torch.randn(long_clips.gap.shape, device=device))
    t = torch.where(torch.rand(t.shape, device=device) < 0.5, 1.0, t)
    blur = torch.rand(len(t), device=device) * (torch.rand(len(t), device=device) < 0.5)
    out: dict[str, Tensor] = run(
        long_clips.motion, long_clips.source, long_clips.gap, clean, torch.randn_like(clean), t, blur
    )
    return out


def change_weights(before: Tensor, after: Tensor, strength: float = 2.0) -> Tensor:
    """How much each place counts, [N, h, w], 1 on average: more where the picture changes, which is little of it where a thing moves.

    Args:
        before: latents [N, h, w, c] of the source.
        after: latents [N, h, w, c] of the target.
        strength: 0 = all alike.
    """
    change = (after - before).abs().mean(dim=-1)
    change = F.avg_pool2d(change[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    weight = 1 + strength * change / (change.mean(dim=(1, 2), keepdim=True) + 0.02)
    return weight / weight.mean(dim=(1, 2), keepdim=True)


def charbonnier(error: Tensor, soft: float = 0.1) -> Tensor:
    """|error|, smooth below about `soft` (Charbonnier et al. 1994)."""
    return (error.float().square() + soft**2).sqrt() - soft
