"""Objects of the held-out scenes: seven kinds of sharp outline about the origin, of largest radius 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..renderer import DrawnObject, Texture

Array = NDArray[np.float64]
Inside = Callable[[Tensor, Tensor], Tensor]
"""(x, y) in radii -> whether inside, bool of the same shape."""


def _superellipse(rng: np.random.Generator) -> Inside:
    p, aspect = rng.uniform(1.3, 5.0), rng.uniform(0.55, 0.8)
    return lambda x, y: x.abs() ** p + (y / aspect).abs() ** p < 1


def _star(rng: np.random.Generator) -> Inside:
    n, inner = int(rng.integers(3, 7)), rng.uniform(0.45, 0.65)
    longest = rng.uniform(0.0, 0.25)

    def inside(x: Tensor, y: Tensor) -> Tensor:
        a = torch.atan2(y, x)
        ray = (((a * n / (2 * np.pi)) % 1) * 2 - 1).abs()
        return torch.hypot(x, y) < (inner + (1 - inner) * ray) * (1 - longest * (1 - a.cos()) / 2)

    return inside


def _gear(rng: np.random.Generator) -> Inside:
    n, depth, hole = int(rng.integers(5, 9)), rng.uniform(0.2, 0.35), rng.uniform(0.0, 0.28)

    def inside(x: Tensor, y: Tensor) -> Tensor:
        r = torch.hypot(x, y)
        tooth = (2.5 * torch.cos(n * torch.atan2(y, x))).clamp(-1, 1) * 0.5 + 0.5
        return (r < 1 - depth + depth * tooth) & (torch.hypot(x - 0.3, y) > hole)

    return inside


def _crescent(rng: np.random.Generator) -> Inside:
    offset, r = rng.uniform(0.5, 0.75), rng.uniform(0.6, 0.8)
    return lambda x, y: (x * x + y * y < 1) & ((x - offset) ** 2 + y * y > r * r)


def _letter(rng: np.random.Generator) -> Inside:
    w = rng.uniform(0.22, 0.3)
    bars = {  # rectangles as x0, x1, y0, y1
        "L": [(-0.6, -0.6 + 2 * w, -0.8, 0.8), (-0.6, 0.6, 0.8 - 2 * w, 0.8)],
        "T": [(-0.7, 0.7, -0.75, -0.75 + 2 * w), (-w, w, -0.75, 0.75)],
        "F": [(-0.5, -0.5 + 2 * w, -0.85, 0.85), (-0.5, 0.6, -0.85, -0.85 + 2 * w), (-0.5, 0.35, -0.1, -0.1 + 1.6 * w)],
        "Z": [(-0.7, 0.2, -0.75, -0.75 + 2 * w), (-w, w, -0.75, 0.75), (-0.2, 0.7, 0.75 - 2 * w, 0.75)],
    }[str(rng.choice(["L", "T", "F", "Z"]))]

    def inside(x: Tensor, y: Tensor) -> Tensor:
        hit = torch.zeros_like(x, dtype=torch.bool)
        for x0, x1, y0, y1 in bars:
            hit |= (x > x0) & (x < x1) & (y > y0) & (y < y1)
        return hit

    return inside


def _heart(rng: np.random.Generator) -> Inside:
    f = rng.uniform(1.15, 1.3)

    def inside(x: Tensor, y: Tensor) -> Tensor:
        u, v = x * f, -y * f + 0.1
        return (u * u + v * v - 0.75) ** 3 - 1.6 * u * u * v**3 < 0

    return inside


def _drop(rng: np.random.Generator) -> Inside:
    w = rng.uniform(0.6, 0.75)
    return lambda x, y: y.abs() < w * (1 - x * x).clamp(0, 1).sqrt() * (1 + 0.75 * x) / 1.3


KINDS: dict[str, Callable[[np.random.Generator], Inside]] = {
    "superellipse": _superellipse, "star": _star, "gear": _gear, "crescent": _crescent,
    "letter": _letter, "heart": _heart, "drop": _drop,
}  # fmt: skip


TURNABLE = ("superellipse", "crescent", "letter", "heart", "drop")  # whose turn shows in the outline, up to half a turn


GRID_STEP = 2.6 / 160 * 2**0.5  # radii, from corner to corner


def draw_object(rng: np.random.Generator, kind: str, radius: float, skin: Array) -> DrawnObject:
    """A random shape of `kind`, in one clip, float64; it turns and grows about the outline's centre of gravity.

    Args:
        rng: source of chance.
        kind: one of `KINDS`.
        radius: px, half the diameter at scale 1.
        skin: [n, n, 3], 0..1, covering -1.5..1.5 radii.
    """
    inside = KINDS[kind](rng)
    y, x = np.mgrid[-1.3:1.3:161j, -1.3:1.3:161j]  # GRID_STEP apart
    hit = inside(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    middle = np.array([x[hit].mean(), y[hit].mean()])
    return DrawnObject(
        outline=lambda local, _: inside(local[..., 0], local[..., 1]).to(local.dtype),
        skin=Texture(as_image(skin), span=1.5, corners=True),
        radius=torch.tensor([radius], dtype=torch.float64),
        turn=torch.tensor([rng.uniform(0, 2 * np.pi)], dtype=torch.float64),
        pivot=torch.from_numpy(middle[None]),
        reach=float(np.hypot(x[hit] - middle[0], y[hit] - middle[1]).max()) + GRID_STEP,
    )


def room(drawn: DrawnObject) -> float:
    """How far about its place an object is given room, in radii: about as far as its outline goes, a little less at some corners."""
    return 1 + (0.0 if drawn.pivot is None else float(drawn.pivot.norm()))


def as_image(surface: Array) -> Tensor:
    """A surface [n, n, 3] as the renderer takes it, float64 [1, 3, n, n]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(surface, -1, 0)[None]))
