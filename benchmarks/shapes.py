"""Outlines for the held-out scenes: implicit shapes about the origin, of largest radius 1, drawn with anti-aliasing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Inside = Callable[[Array, Array], NDArray[np.bool_]]
SAMPLES = 4  # per pixel and axis


def _superellipse(rng: np.random.Generator) -> Inside:
    p, aspect = rng.uniform(1.3, 5.0), rng.uniform(0.55, 0.8)
    return lambda x, y: np.abs(x) ** p + np.abs(y / aspect) ** p < 1


def _star(rng: np.random.Generator) -> Inside:
    n, inner = int(rng.integers(3, 7)), rng.uniform(0.45, 0.65)
    longest = rng.uniform(0.0, 0.25)

    def inside(x: Array, y: Array) -> NDArray[np.bool_]:
        a = np.arctan2(y, x)
        ray = np.abs(((a * n / (2 * np.pi)) % 1) * 2 - 1)
        return np.hypot(x, y) < (inner + (1 - inner) * ray) * (1 - longest * (1 - np.cos(a)) / 2)

    return inside


def _gear(rng: np.random.Generator) -> Inside:
    n, depth, hole = int(rng.integers(5, 9)), rng.uniform(0.2, 0.35), rng.uniform(0.0, 0.28)

    def inside(x: Array, y: Array) -> NDArray[np.bool_]:
        r = np.hypot(x, y)
        tooth = np.clip(2.5 * np.cos(n * np.arctan2(y, x)), -1, 1) * 0.5 + 0.5
        return np.asarray((r < 1 - depth + depth * tooth) & (np.hypot(x - 0.3, y) > hole))

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

    def inside(x: Array, y: Array) -> NDArray[np.bool_]:
        hit = np.zeros(x.shape, dtype=bool)
        for x0, x1, y0, y1 in bars:
            hit |= (x > x0) & (x < x1) & (y > y0) & (y < y1)
        return hit

    return inside


def _heart(rng: np.random.Generator) -> Inside:
    f = rng.uniform(1.15, 1.3)

    def inside(x: Array, y: Array) -> NDArray[np.bool_]:
        u, v = x * f, -y * f + 0.1
        return (u * u + v * v - 0.75) ** 3 - 1.6 * u * u * v**3 < 0

    return inside


def _drop(rng: np.random.Generator) -> Inside:
    w = rng.uniform(0.6, 0.75)
    return lambda x, y: np.abs(y) < w * np.sqrt(np.clip(1 - x * x, 0, 1)) * (1 + 0.75 * x) / 1.3


KINDS: dict[str, Callable[[np.random.Generator], Inside]] = {
    "superellipse": _superellipse, "star": _star, "gear": _gear, "crescent": _crescent,
    "letter": _letter, "heart": _heart, "drop": _drop,
}  # fmt: skip


TURNABLE = ("superellipse", "crescent", "letter", "heart", "drop")  # whose turn shows in the outline, up to half a turn


@dataclass(frozen=True)
class Thing:
    """An object to draw: outline, size and painted skin.

    Args:
        inside: outline in units of `radius`, y down.
        radius: px, half the diameter at scale 1.
        turn: resting orientation, radians.
        middle: [2] centre of gravity of the outline (x, y) in units of `radius`; the object turns and grows about it.
        skin: [n, n, 3] texture, 0..1, covering -1.5..1.5 radii.
    """

    inside: Inside
    radius: float
    turn: float
    middle: Array
    skin: Array

    @property
    def reach(self) -> float:
        """Upper bound of the distance from the centre of gravity to the outline, in units of `radius`."""
        return 1 + float(np.hypot(*self.middle))

    def draw(self, size: int, centre: Array, scale: float = 1.0, angle: float = 0.0) -> tuple[Array, Array]:
        """Coverage [size, size] 0..1 and premultiplied color [size, size, 3] with the centre of gravity at `centre`.

        Args:
            size: side of the picture, px.
            centre: (x, y), px; the centre of the first pixel is (0, 0).
            scale: factor on `radius`.
            angle: clockwise turn from the resting orientation, radians.
        """
        alpha, color = np.zeros((size, size)), np.zeros((size, size, 3))
        reach = self.radius * scale * self.reach + 1
        lo = np.clip(np.floor(centre - reach).astype(int), 0, size)
        hi = np.clip(np.ceil(centre + reach).astype(int) + 1, 0, size)
        if (hi <= lo).any():
            return alpha, color
        step = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
        xs = (np.arange(lo[0], hi[0])[:, None] + step).ravel() - centre[0]
        ys = (np.arange(lo[1], hi[1])[:, None] + step).ravel() - centre[1]
        c, s = np.cos(angle + self.turn), np.sin(angle + self.turn)
        u = (xs[None, :] * c + ys[:, None] * s) / (self.radius * scale) + self.middle[0]
        v = (ys[:, None] * c - xs[None, :] * s) / (self.radius * scale) + self.middle[1]
        hit = self.inside(u, v)
        paint = np.zeros((*hit.shape, 3))
        paint[hit] = _bilinear(self.skin, u[hit], v[hit])
        box = np.s_[lo[1] : hi[1], lo[0] : hi[0]]
        alpha[box] = pool(hit.astype(np.float64), SAMPLES)
        color[box] = pool(paint, SAMPLES)
        return alpha, color


def pool(samples: Array, n: int) -> Array:
    """Means over n x n blocks of [n h, n w, ...]."""
    rows = sum((samples[i::n] for i in range(1, n)), samples[::n])
    return np.asarray(sum((rows[:, i::n] for i in range(1, n)), rows[:, ::n]) / (n * n))


def _bilinear(skin: Array, u: Array, v: Array) -> Array:
    n = skin.shape[0]
    x, y = np.clip((u + 1.5) / 3 * (n - 1), 0, n - 1.001), np.clip((v + 1.5) / 3 * (n - 1), 0, n - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    top = skin[y0, x0] * (1 - fx) + skin[y0, x0 + 1] * fx
    low = skin[y0 + 1, x0] * (1 - fx) + skin[y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy)


def make_thing(rng: np.random.Generator, kind: str, radius: float, skin: Array) -> Thing:
    """A random shape of `kind` whose largest radius about the origin is 1."""
    inside = KINDS[kind](rng)
    y, x = np.mgrid[-1.3:1.3:161j, -1.3:1.3:161j]
    hit = inside(x, y)
    middle = np.array([x[hit].mean(), y[hit].mean()])
    return Thing(inside, radius, float(rng.uniform(0, 2 * np.pi)), middle, skin)
