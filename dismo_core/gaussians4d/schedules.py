"""What changes over the steps of a fit, and which views are drawn (docs/methods/gaussians4d.md, 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_TOTAL, MOST_TOTAL = -80, 80  # degrees, of a drawn view's elevation


def progress_of(step: int, steps: int) -> float:
    """Share of the fit, 0..1; steps are counted from 1."""
    return min(1.0, step / steps)


def timestep_at(progress: float) -> int:
    """Noise level of the diffusion model at a share of the fit: from 980 down to 20."""
    return min(980, max(20, round((1 - progress) * 1000)))


def noise_timestep(step: int, steps: int) -> int:
    """Noise level of the diffusion model at a step counted from 1."""
    return timestep_at(progress_of(step, steps))


def novel_view_size(step: int, steps: int) -> int:
    """Side of the novel views in pixels: 128, then 256 from 0.3 on, 512 from 0.6 on."""
    p = progress_of(step, steps)
    return 128 if p < 0.3 else 256 if p < 0.6 else 512


def position_lr(step: int, initial: float = 1e-3, final: float = 2e-5, max_steps: int = 500) -> float:
    """Learning rate of the positions: log-linear over `max_steps`, whatever the length of the fit."""
    t = min(1.0, max(0.0, step / max_steps))
    return math.exp((1 - t) * math.log(initial) + t * math.log(final))


def elevation_range(elevation: int, low: int = -30, high: int = 30) -> tuple[int, int]:
    """Lowest and highest offset (the latter not included) that keep the view within 80 degrees."""
    return (
        max(min(low, low - elevation), LEAST_TOTAL - elevation),
        min(max(high, high - elevation), MOST_TOTAL - elevation),
    )


@dataclass(frozen=True)
class NovelViews:
    """Views of one step: views outer, frames inner.

    Args:
        frame: number of the driving frame, of each.
        elevation: offset from the input view, degrees.
        azimuth: likewise.
        radius: offset of the distance.
        background: 1 white, 0 black.
    """

    frame: NDArray[np.int64]
    elevation: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    radius: NDArray[np.float64]
    background: NDArray[np.float64]


def draw_views(
    rng: np.random.RandomState,
    frames: int,
    views: int,
    elevation: float = 0,
    radius_jitter: float = 0.0,
    invert_background: float = 0.0,
) -> NovelViews:
    """Random views as the published loop draws them, in its order of draws.

    Args:
        rng: whose next numbers are used.
        frames: T of the clip.
        views: for each frame.
        elevation: of the input view, degrees.
        radius_jitter: half the width of the range of distances; 0 draws none.
        invert_background: probability of a black background.
    """
    low, high = elevation_range(int(elevation))
    rows = []
    for _ in range(views):
        for frame in range(frames):
            vertical, horizontal = rng.randint(low, high), rng.randint(-180, 180)
            radius = rng.uniform(-radius_jitter, radius_jitter) if radius_jitter else 0.0
            rows.append((frame, vertical, horizontal, radius, float(rng.rand() > invert_background)))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    return NovelViews(columns[0].astype(np.int64), *columns[1:])
