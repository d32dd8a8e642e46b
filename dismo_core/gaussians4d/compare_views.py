"""A 4D model against pictures from another side, as the comparison of Consistent4D does (docs/methods/gaussians4d.md, 12.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..errors import DisMoError
from .measures import psnr, second_difference, ssim
from .model4d import Gaussians4D
from .views import Shot, render

if TYPE_CHECKING:
    from ..evaluation.similarity import ClipSimilarity

LARGEST = 512  # px


def compare_view(
    four: Gaussians4D, truth: NDArray[np.uint8], azimuth: float, similarity: ClipSimilarity | None = None
) -> dict[str, float | None]:
    """Figures of one side: PSNR, SSIM, CLIP similarity, and how much the picture changes its change over time, beside that of the truth.

    Args:
        four: the model.
        truth: uint8 [T,H,W,4] of as many frames, laid on white.
        azimuth: degrees.
        similarity: a CLIP model, or None.

    Raises:
        DisMoError: another number of frames, or pictures that are not square.
    """
    count, height, width = truth.shape[:3]
    if count != four.frames:
        raise DisMoError(f"The model has {four.frames} frames, the pictures are {count}. Give those of the same clip.")
    if height != width:
        raise DisMoError(f"The pictures must be square, as the model's camera sees them, not {width}x{height} px.")
    size = min(height, LARGEST)
    values = torch.from_numpy(truth).movedim(-1, 1).float() / 255
    wanted = values[:, :3] * values[:, 3:] + 1 - values[:, 3:]
    if size != height:
        wanted = F.interpolate(wanted, (size, size), mode="bilinear", antialias=True)
    shown = [rgb for rgb, _, _ in render(four, [Shot(t, azimuth) for t in range(count)], size, size)]
    found = torch.stack(shown).movedim(-1, 1)
    near = None
    if similarity is not None:
        pairs = zip(*(((x * 255).round().to(torch.uint8)).movedim(1, -1) for x in (found, wanted)), strict=True)
        each = [similarity(a[None], picture=b)[1] for a, b in pairs]
        near = sum(value for value in each if value is not None) / count
    return {
        "psnr": float(psnr(found, wanted).mean()),
        "ssim": float(ssim(found, wanted).mean()),
        "clip": near,
        "unrest": float(second_difference(found)) if count > 2 else None,
        "unrest of the truth": float(second_difference(wanted)) if count > 2 else None,
    }
