"""Surfaces of the held-out scenes: six kinds of pattern, with spectra like those of photographs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ..noise import colored_noise

Array = NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])


def noise(rng: np.random.Generator, n: int, exponent: float, angle: float = 0.0, stretch: float = 1.0) -> Array:
    """Gaussian field [n, n] whose amplitude falls as 1/f**exponent, zero mean, unit deviation, periodic.

    Args:
        rng: source of chance.
        n: side, samples.
        exponent: about 1 for photographs; larger is smoother.
        angle: orientation of the grain, radians.
        stretch: >= 1; how much longer the grain is along `angle` than across.
    """
    white = torch.fft.fft2(torch.from_numpy(rng.standard_normal((n, n))))
    field = colored_noise(white, lambda f: f.clamp_min(1.5) ** -exponent, angle, along=stretch).numpy()
    return np.asarray((field - field.mean()) / field.std())


def _grain(rng: np.random.Generator, n: int) -> Array:
    return noise(rng, n, rng.uniform(0.9, 1.4), rng.uniform(0, np.pi), rng.uniform(1, 3))


def _voronoi(rng: np.random.Generator, n: int) -> Array:
    pitch = rng.uniform(18, 30)
    k = max(6, int((n / pitch) ** 2))
    seeds, shade = rng.uniform(0, n, (k, 2)), rng.standard_normal(k)
    y, x = np.mgrid[0:n, 0:n].astype(np.float64)
    wobble = 0.25 * pitch * noise(rng, n, 2.0)
    first, second, owner = np.full((n, n), np.inf), np.full((n, n), np.inf), np.zeros((n, n), dtype=np.int64)
    for i, (sy, sx) in enumerate(seeds):
        d = np.hypot(y - sy + wobble, x - sx - wobble)
        near = d < first
        second = np.where(near, first, np.minimum(second, d))
        first, owner = np.where(near, d, first), np.where(near, i, owner)
    return np.asarray(shade[owner] - 1.2 * np.exp(-(((second - first) / 2.5) ** 2)))


def _plaid(rng: np.random.Generator, n: int) -> Array:
    y, x = np.mgrid[0:n, 0:n].astype(np.float64)
    angle, field = rng.uniform(0, np.pi), np.zeros((n, n))
    for turn in (0.0, np.pi / 2):
        u = x * np.cos(angle + turn) + y * np.sin(angle + turn)
        for _ in range(2):
            field += rng.uniform(0.4, 1) * np.tanh(
                2.5 * np.sin(2 * np.pi * u / rng.uniform(16, 44) + rng.uniform(0, 6))
            )
    return field + 0.6 * noise(rng, n, 1.0)


def _wood(rng: np.random.Generator, n: int) -> Array:
    y, x = np.mgrid[0:n, 0:n].astype(np.float64)
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    rings = np.hypot(u * 0.18, v - rng.uniform(0, n)) + rng.uniform(3, 7) * noise(rng, n, 1.8, angle, 3.0)
    return np.asarray(np.sin(2 * np.pi * rings / rng.uniform(14, 26)) + 0.6 * noise(rng, n, 0.9, angle, 4.0))


def _leaves(rng: np.random.Generator, n: int) -> Array:
    field = noise(rng, n, 1.2)
    y, x = np.mgrid[0:n, 0:n].astype(np.float64)
    for _ in range(int(0.006 * n * n)):
        r = min(3.0 * rng.pareto(2.0) + 3.0, 26.0)
        cy, cx = rng.uniform(-5, n + 5, 2)
        box = np.s_[max(0, int(cy - r)) : max(0, int(cy + r + 2)), max(0, int(cx - r)) : max(0, int(cx + r + 2))]
        inside = (y[box] - cy) ** 2 + (x[box] - cx) ** 2 < r * r
        field[box][inside] = rng.standard_normal() + 0.02 * (x[box] - cx)[inside]
    return field


def _pebbles(rng: np.random.Generator, n: int) -> Array:
    swirl = noise(rng, n, 1.6, rng.uniform(0, np.pi), 1.5)
    return np.abs(swirl) ** 0.7 * 2 + 0.5 * np.sin(3 * swirl) + 0.35 * noise(rng, n, 0.7)


KINDS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "grain": _grain, "voronoi": _voronoi, "plaid": _plaid, "wood": _wood, "leaves": _leaves, "pebbles": _pebbles,
}  # fmt: skip


def surface(rng: np.random.Generator, n: int, color: Array, contrast: float, kind: str) -> Array:
    """A colored surface [n, n, 3], values 0..1, of mean `color` [3]; `contrast` is the deviation of its luma."""
    pattern = KINDS[kind](rng, n)
    pattern = np.clip((pattern - pattern.mean()) / pattern.std(), -2.5, 2.5)
    tint = rng.normal(size=3)
    tint -= LUMA * (tint @ LUMA) / (LUMA @ LUMA)  # color changes that leave the luma alone
    tint *= 0.35 * contrast / np.linalg.norm(tint)
    cast = noise(rng, n, 1.5)
    picture = color + pattern[..., None] * contrast * rng.uniform(0.9, 1.1, 3) + cast[..., None] * tint
    picture += 0.45 * contrast * noise(rng, n, 0.9)[..., None]  # without it, stripes alone would hide motion along them
    return np.asarray(np.clip(picture, 0.0, 1.0))
