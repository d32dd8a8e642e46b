"""A clip with its transparency."""

from __future__ import annotations

import torch
from torch import Tensor

from .read import read_video
from .source import Source


def read_rgba_video(
    source: Source, *, fps: float | None = None, start: float = 0.0, frames: int | None = None
) -> tuple[Tensor, float]:
    """Frames uint8 [T,H,W,4], straight alpha, and frames per second; alpha is 255 where a clip has none.

    It is read over black and over white: what shines through is transparent.

    Args:
        source: as `read_video`.
        fps: likewise.
        start: likewise.
        frames: likewise.
    """
    dark = read_video(source, fps=fps, start=start, frames=frames, background="black")
    light = read_video(source, fps=fps, start=start, frames=frames, background="white")
    clear = light.frames.short() - dark.frames.short()  # 255 (1 - alpha), where a background shows
    alpha = (255 - clear.amin(-1, keepdim=True)).clamp(0, 255)
    alpha = torch.where(alpha >= 254, 255, alpha)
    straight = (dark.frames.float() * 255 / alpha.clamp_min(1)).round().clamp(0, 255)
    return torch.cat((straight, alpha.float()), dim=-1).to(torch.uint8), dark.fps
