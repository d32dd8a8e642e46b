"""Draws the bundled example clip of a swimming fish (CC0): python docs/draw_fish.py. Its tail, fins and body move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FILE = Path(__file__).parents[1] / "dismo_core" / "assets" / "media" / "fish_clip.webp"
FRAMES, SIDE, FINER = 14, 160, 4
MILLISECONDS = 125


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def draw(phase: float) -> np.ndarray:
    """uint8 [SIDE,SIDE,4]; phase 0..1 is one stroke of the tail."""
    n = SIDE * FINER
    y, x = np.mgrid[0:n, 0:n] / n * 2 - 1 + 1 / n
    turn = 2 * np.pi * phase
    y = y - 0.05 * np.sin(turn)  # it bobs
    bend = 0.14 * np.sin(turn + 1.2) * np.clip(-x, 0, 1) ** 2 * 2.2
    y = y - bend  # the rear follows the stroke
    color = np.zeros((n, n, 3))
    alpha = np.zeros((n, n), bool)

    def paint(where: np.ndarray, shade: np.ndarray) -> None:
        alpha[where] = True
        color[where] = shade[where]

    def tint(*rgb: float) -> np.ndarray:
        return np.ones((n, n, 3)) * np.array(rgb)

    # tail: two lobes that open and close
    wide = 0.34 + 0.10 * np.cos(turn)
    along = (-0.42 - x) / 0.38
    lobe = np.abs(y) < wide * (0.18 + 0.82 * np.clip(along, 0, 1) ** 0.8)
    notch = along < 1 - 0.35 * (1 - np.clip(np.abs(y) / wide, 0, 1))
    rays = 0.08 * np.sin(np.arctan2(y, along + 0.3) * 22)
    paint((along > 0) & lobe & notch, tint(0.93, 0.42, 0.10) + rays[..., None])
    # fin on the back, leaning with the stroke
    lean = 0.12 * np.sin(turn + 0.6)
    fx, fy = x - lean * np.clip(-y - 0.25, 0, 1) * 3, -y
    top = 0.27 + 0.27 * smooth((0.34 - fx) / 0.5) * smooth((fx + 0.42) / 0.22)
    paint(
        (fy > 0.18) & (fy < top) & (np.abs(fx + 0.04) < 0.38),
        tint(0.85, 0.30, 0.12) + 0.06 * np.sin(fx * 60)[..., None],
    )
    # body, lit from above, pale below
    thick = 0.30 * np.sqrt(np.clip(1 - (np.abs(x - 0.08) / 0.62) ** 2.2, 0, 1)) + 0.05 * smooth((0.2 - x) / 0.6) * (
        x > -0.5
    )
    height = y / np.maximum(thick, 1e-3)
    body = (np.abs(height) < 1) & (x > -0.5) & (x < 0.7)
    shade = tint(0.98, 0.56, 0.14) * (1 - 0.3 * smooth((height + 0.2) * 0.5))[..., None]
    belly = smooth((height - 0.15) / 0.6)[..., None]
    shade = shade * (1 - belly) + tint(0.99, 0.90, 0.72) * belly
    scales = 0.05 * np.sin(x * 70 + np.cos(y * 60) * 1.5) * np.cos(y * 60) * (height < 0.4)
    shade = shade + scales[..., None]
    for center, width in ((0.30, 0.045), (0.0, 0.055), (-0.28, 0.04)):
        band = np.abs(x - center - 0.05 * np.cos(height * 2)) < width
        shade[band] = (0.16, 0.17, 0.30)
    paint(body, shade)
    # fin on the side, beating
    beat = 0.9 + 0.7 * np.sin(2 * turn)
    px, py = x - 0.16, y - 0.06
    u, v = -(px * np.cos(beat) - py * np.sin(beat)), px * np.sin(beat) + py * np.cos(beat)
    fin = (u > -0.03) & (u < 0.30) & (np.abs(v) < 0.035 + 0.35 * np.clip(u, 0, 1))
    paint(fin & body | fin & (y > 0), tint(0.99, 0.68, 0.22) - 0.12 * (np.sin(v / (u + 0.1) * 18) > 0.4)[..., None])
    # eye and mouth
    eye = np.hypot(x - 0.47, y + 0.06)
    paint(eye < 0.075, tint(1, 1, 1))
    paint(eye < 0.045, tint(0.05, 0.05, 0.08))
    paint((np.abs(y - 0.07 - 0.3 * (x - 0.6) ** 2) < 0.012) & (x > 0.56) & body, tint(0.45, 0.15, 0.08))

    def down(values: np.ndarray) -> np.ndarray:
        return values.reshape(SIDE, FINER, SIDE, FINER, -1).mean((1, 3))

    cover = down(alpha[..., None].astype(float))
    premultiplied = down(np.clip(color, 0, 1) * alpha[..., None])
    straight = premultiplied / np.maximum(cover, 1e-6)
    return (np.concatenate((straight, cover), axis=-1) * 255).round().astype(np.uint8)


if __name__ == "__main__":
    pictures = [Image.fromarray(draw(k / FRAMES)) for k in range(FRAMES)]
    pictures[0].save(
        FILE,
        save_all=True,
        append_images=pictures[1:],
        duration=MILLISECONDS,
        loop=0,
        lossless=True,
        exact=False,
        method=6,
    )
