"""How much of one clip's colors another has: the overlap of color histograms (Swain and Ballard 1991, Color Indexing, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 8  # a channel


def color_overlap(a: Tensor, b: Tensor) -> float:
    """Sum over the bins of the smaller of the two shares; 1 = the same colors, 0 = none in common.

    Args:
        a: frames, uint8 [T,H,W,3], of any number and size.
        b: likewise.
    """
    return float(torch.minimum(_histogram(a), _histogram(b)).sum())


def _histogram(frames: Tensor) -> Tensor:
    levels = (frames.reshape(-1, 3).long() * BINS) // 256
    index = (levels[:, 0] * BINS + levels[:, 1]) * BINS + levels[:, 2]
    counts = torch.bincount(index, minlength=BINS**3).double()
    return counts / counts.sum()
