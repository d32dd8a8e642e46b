"""The Frechet video distance (Unterthiner et al. 2018, arXiv:1812.01717, section 2), and the distance itself for any features."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisMoError
from .i3d import FEATURES, I3D, LEAST_FRAMES, load_i3d

__all__ = ["FEATURES", "I3D", "frechet_distance", "fvd_features", "load_i3d", "preprocess"]

SIDE = 224  # px
_SMALLEST = 1e-10  # singular values below it keep their value in a matrix root


def preprocess(videos: Tensor) -> Tensor:
    """Clips as I3D takes them: the shorter side scaled to 224 px without antialias, the centre cut out.

    Args:
        videos: uint8 [B,T,H,W,3].

    Returns:
        float32 [B,3,T,224,224], -1..1.

    Raises:
        DisMoError: another dtype or shape.
    """
    if videos.dtype != torch.uint8 or videos.ndim != 5 or videos.shape[-1] != 3:
        raise DisMoError(f"Videos must be uint8 [B,T,H,W,3], not {videos.dtype} {list(videos.shape)}.")
    batch, frames, height, width, _ = videos.shape
    short = min(height, width)
    size = [SIDE if side == short else math.ceil(side * SIDE / short) for side in (height, width)]
    pictures = (videos.flatten(0, 1).permute(0, 3, 1, 2) / 255).contiguous()
    scaled = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
    top, left = ((side - SIDE) // 2 for side in size)
    cut = scaled[..., top : top + SIDE, left : left + SIDE]
    return ((cut - 0.5) * 2).view(batch, frames, 3, SIDE, SIDE).transpose(1, 2)


@torch.no_grad()
def fvd_features(i3d: I3D, videos: Tensor) -> Tensor:
    """Features [B,400] of clips.

    Args:
        i3d: see `load_i3d`; in evaluation mode.
        videos: uint8 [B,T,H,W,3], at least 9 frames.

    Raises:
        DisMoError: see `preprocess`; fewer frames.
    """
    if videos.ndim == 5 and videos.shape[1] < LEAST_FRAMES:
        raise DisMoError(f"I3D needs clips of at least {LEAST_FRAMES} frames, not {videos.shape[1]}.")
    device = next(i3d.parameters()).device
    return torch.cat([i3d(preprocess(video[None]).to(device)) for video in videos])


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Between Gaussians of the means and covariances of two sets of features.

    |mean a - mean b|^2 + tr(A + B) - 2 tr sqrt(sqrt(A) B sqrt(A))

    Args:
        a: [N,d], N at least 2.
        b: [M,d], likewise.

    Raises:
        DisMoError: other shapes.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise DisMoError(
            f"The distance needs features [N,d] and [M,d] of at least 2 clips each, not {list(a.shape)} and {list(b.shape)}."
        )
    a, b = a.float(), b.float()
    covariance_a, covariance_b = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(b.shape[1], -1)
    root = _root(covariance_a)
    cross = _root(root @ covariance_b @ root).trace()
    distance = (a.mean(0) - b.mean(0)).square().sum() + (covariance_a + covariance_b).trace() - 2 * cross
    return float(distance)


def _root(matrix: Tensor) -> Tensor:
    u, s, v = torch.linalg.svd(matrix)
    root: Tensor = u @ torch.diag(torch.where(s < _SMALLEST, s, s.sqrt())) @ v
    return root
