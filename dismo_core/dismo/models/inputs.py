"""What every model does with what it is given: checks and resizing (docs/methods/dismo.md, 8)."""

from __future__ import annotations

import logging

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import DisMoError

log = logging.getLogger(__name__)
MIN_SIDE = 14


def check_video(x: Tensor, name: str = "video") -> None:
    """Raise unless x is a float [B,T,H,W,3] in -1..1; warn where it looks like 0..1."""
    if x.ndim != 5 or x.shape[-1] != 3:
        raise DisMoError(
            f"The {name} has shape {list(x.shape)}; expected [batch, frames, height, width, 3] (RGB, channels last)."
        )
    check_range(x, name)


def check_frames(x: Tensor, name: str) -> None:
    """Raise unless x is a float [B,H,W,3] in -1..1."""
    if x.ndim != 4 or x.shape[-1] != 3:
        raise DisMoError(
            f"The {name} have shape {list(x.shape)}; expected [batch, height, width, 3] (RGB, channels last)."
        )
    check_range(x, name)


def resize_frames(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames [N,H,W,3] in -1..1 -> [N,size[0],size[1],3] in -1..1, as published: bilinear, antialiased, where they lie."""
    x = F.interpolate(x.movedim(-1, 1), size=size, mode="bilinear", antialias=True, align_corners=False)
    return x.movedim(1, -1).clamp(-1, 1)


def check_range(x: Tensor, name: str) -> None:
    """Raise unless x is floating, finite, within -1..1 and at least 14 px a side."""
    if not x.is_floating_point():
        raise DisMoError(f"The {name} is {x.dtype}; expected floating values in -1..1 (uint8 frames: x / 127.5 - 1).")
    if min(x.shape[-3:-1]) < MIN_SIDE:
        raise DisMoError(
            f"The {name} is {x.shape[-2]}x{x.shape[-3]} px; each side must have at least {MIN_SIDE} px. Use a larger picture."
        )
    low, high = (float(v) for v in x.aminmax())
    if not (low >= -1.001 and high <= 1.001):  # also true for NaN
        if not bool(torch.isfinite(x).all()):
            raise DisMoError(f"The {name} holds NaN or infinite values. Check the step that made it.")
        raise DisMoError(
            f"The {name} holds values from {low:.3g} to {high:.3g}; expected -1..1 (uint8 frames: x / 127.5 - 1; 0..1: x * 2 - 1)."
        )
    if low >= 0 and high > 0:
        log.warning("The %s has no value below 0 (%.3g..%.3g); if it is in 0..1, pass x * 2 - 1.", name, low, high)
