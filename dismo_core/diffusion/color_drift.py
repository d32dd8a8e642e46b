"""Colors drift when a model goes on from its own frames again and again: measuring that, and undoing it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Colors:
    """Mean and standard deviation [3] of the channels of a picture, 0..1."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, picture: Tensor) -> Colors:
        """Of [H,W,3], uint8 or float 0..1."""
        pixels = (picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()).flatten(0, 1)
        return cls(pixels.mean(dim=0), pixels.std(dim=0, correction=0))

    def drift_from(self, other: Colors) -> str:
        """What changed, in words: shift of red, green and blue in steps of 255, and contrast as a factor."""
        red, green, blue = ((self.mean - other.mean) * 255).tolist()
        contrast = float(self.deviation.mean() / other.deviation.mean().clamp_min(1e-6))
        return f"red {red:+.1f}, green {green:+.1f}, blue {blue:+.1f} of 255, contrast x{contrast:.2f}"


def match_colors(frames: Tensor, wanted: Colors) -> Tensor:
    """Frames whose colors come to those wanted by the last of them.

    The change grows from nothing at the first frame, so that there is no jump where a segment goes on from another.

    Args:
        frames: float [T,H,W,3], 0..1, of which the first has the right colors already.

    Returns:
        float32 [T,H,W,3], 0..1.
    """
    found = Colors.of(frames[-1])
    gain = wanted.deviation / found.deviation.clamp_min(1 / 255)
    share = torch.linspace(0, 1, len(frames))[:, None, None, None]
    x = frames.float()
    matched = (x - found.mean) * gain + wanted.mean
    return torch.lerp(x, matched, share).clamp(0, 1)
