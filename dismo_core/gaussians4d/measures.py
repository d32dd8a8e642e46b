"""How well a 4D model shows its clip, and how it behaves from other sides (docs/methods/gaussians4d.md, 12.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .clip import Clip4D
from .model4d import Gaussians4D
from .views import Shot, render

SIDES = (30, 60, 90, 180)


@dataclass(frozen=True)
class Measures:
    """Numbers of one model and its clip.

    Args:
        psnr: of the known view, dB, mean over frames.
        worst: of the worst frame.
        iou: of the masks, mean.
        gain: dB over a still picture, the first frame.
        side_area: area seen at azimuth 90 over that at 0.
        jitter: azimuth -> mean second difference of the picture over time, over that of the known view.
    """

    psnr: float
    worst: float
    iou: float
    gain: float
    side_area: float
    jitter: dict[int, float]


def measure(four: Gaussians4D, clip: Clip4D, size: int = 64) -> Measures:
    """Measure a model against the clip that it was fitted to, at `size` px."""
    frames, masks = clip.frames(size)
    known, alpha = pictures(four, 0, size)
    db = psnr(known, frames)
    still = psnr(frames[:1].expand_as(frames)[1:], frames[1:])
    seen, wanted = alpha > 0.5, masks > 0.5
    iou = (seen & wanted).sum((1, 2, 3)) / (seen | wanted).sum((1, 2, 3)).clamp_min(1)
    areas, jitter = {}, {}
    for azimuth in SIDES:
        picture, side = pictures(four, azimuth, size)
        areas[azimuth] = float(side.mean() / alpha.mean())
        jitter[azimuth] = float(second_difference(picture) / second_difference(known).clamp_min(1e-9))
    return Measures(
        float(db.mean()), float(db.min()), float(iou.mean()), float(db.mean() - still.mean()), areas[90], jitter
    )


def pictures(four: Gaussians4D, azimuth: float, size: int) -> tuple[Tensor, Tensor]:
    """RGB [T,3,size,size] and alpha [T,1,size,size] of all frames from one side."""
    shown = [(rgb, a) for rgb, a, _ in render(four, [Shot(t, azimuth) for t in range(four.frames)], size, size)]
    return torch.stack([rgb for rgb, _ in shown]).movedim(-1, 1), torch.stack([a for _, a in shown]).movedim(-1, 1)


def psnr(found: Tensor, wanted: Tensor) -> Tensor:
    """dB of each picture [T,3,H,W], 0..1."""
    decibels: Tensor = -10 * (found - wanted).square().mean((1, 2, 3)).clamp_min(1e-10).log10()
    return decibels


def second_difference(frames: Tensor | Sequence[Tensor]) -> Tensor:
    """Mean absolute second difference over time."""
    x = frames if isinstance(frames, Tensor) else torch.stack(list(frames))
    difference: Tensor = (x[2:] - 2 * x[1:-1] + x[:-2]).abs().mean()
    return difference


def overlap(found: Tensor, wanted: Tensor) -> Tensor:
    """Intersection over union of masks [T,1,H,W], 0..1, of each picture."""
    seen, there = found > 0.5, wanted > 0.5
    union: Tensor = (seen | there).sum((1, 2, 3)).clamp_min(1)
    return (seen & there).sum((1, 2, 3)) / union


def ssim(found: Tensor, wanted: Tensor) -> Tensor:
    """Structural similarity of each picture [T,3,H,W], 0..1 (Wang et al. 2004: window of 11 px, deviation 1.5)."""
    at = torch.arange(11.0) - 5
    line = torch.exp(-(at**2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, 11, 11).to(found)

    def blurred(x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, window, groups=3)

    a, b = blurred(found), blurred(wanted)
    aa, bb, ab = (
        blurred(x) - y for x, y in ((found * found, a * a), (wanted * wanted, b * b), (found * wanted, a * b))
    )
    c1, c2 = 0.01**2, 0.03**2
    similar: Tensor = (2 * a * b + c1) * (2 * ab + c2) / ((a * a + b * b + c1) * (aa + bb + c2))
    return similar.mean((1, 2, 3))
