"""Plots of motions: energy, path, self-similarity."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from ..video.sheets import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from .motion import Motion

PANELS = ("energy", "path", "self-similarity")
SQUARE = 1000  # rows of a self-similarity plot; no screen shows more


def save_motion_plot(motions: dict[str, Motion], path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write `plot_motions` of energy and path as PNG or JPEG, by the suffix."""
    save_picture(plot_motions(motions, ("energy", "path")), path, overwrite=overwrite)


def plot_motions(motions: Mapping[str, Motion], panels: Collection[str] = PANELS, width: int = 1100) -> Tensor:
    """Plot motions side by side.

    Args:
        motions: label -> motion, of one extractor.
        panels: of `PANELS`. "energy": distance from the still embedding (from the motion's own mean where none is stored)
            over time. "path": the embeddings in the plane of their largest spread, one plane for all. "self-similarity":
            for each motion, the cosine of the embeddings of every two moments.
        width: of the picture, px, 100 to 10,000.

    Returns:
        uint8 [H, width, 3].

    Raises:
        DisMoError: no motion, motions of different extractors, an unknown panel, or a width out of range.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _check_plot(motions, panels, width)
    curves = [panel for panel in PANELS[:2] if panel in panels]
    rows = [4.0] * bool(curves) + [10 / max(len(motions), 2.5) + 0.4] * ("self-similarity" in panels)
    figure = Figure(figsize=(10, sum(rows)), dpi=width / 10, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    strips = list(figure.subfigures(len(rows), 1, squeeze=False, height_ratios=rows)[:, 0])
    if curves:
        for axes, panel in zip(strips[0].subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
            (_draw_energy if panel == "energy" else _draw_path)(axes, motions)
    if "self-similarity" in panels:
        _draw_self_similarity(strips[-1], motions)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return torch.from_numpy(pixels[..., :3].copy())


def energy_line(motion: Motion, width: int = 288, height: int = 64) -> Tensor:
    """How much moves when, as a small picture without words: the energy of `plot_motions`, from nothing to its largest value.

    Args:
        motion: of any length.
        width: px.
        height: px.

    Returns:
        uint8 [height, width, 3].
    """
    from PIL import Image, ImageDraw

    energy = _energy(motion)
    share = energy / energy.max().clamp_min(1e-6)
    twice = (2 * width, 2 * height)  # scaled down, the line is smooth
    picture = Image.new("RGB", twice, (24, 24, 28))
    xs = torch.linspace(0, twice[0] - 1, max(len(share), 2)).tolist()
    points = [(x, (1 - float(y)) * (twice[1] - 9) + 4) for x, y in zip(xs, share.expand(len(xs)), strict=True)]
    drawing = ImageDraw.Draw(picture)
    drawing.polygon([(0, twice[1]), *points, (twice[0], twice[1])], fill=(38, 66, 92))
    drawing.line(points, fill=(96, 180, 250), width=5)
    pixels: Tensor = torch.from_numpy(np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).copy())
    return pixels


def _energy(motion: Motion) -> Tensor:
    """Distance of every embedding from the still one, or from their mean where there is none."""
    origin = motion.embeddings.mean(dim=0) if motion.still is None else motion.still
    energy: Tensor = (motion.embeddings - origin).norm(dim=-1)
    return energy


def _check_plot(motions: Mapping[str, Motion], panels: Collection[str], width: int) -> None:
    if not 100 <= width <= 10_000:
        raise DisMoError(f"A plot is 100 to 10,000 px wide, not {width}.")
    if not motions or not panels or not set(panels) <= set(PANELS):
        raise DisMoError(
            f"A plot needs at least one motion and one panel of {', '.join(PANELS)}; got {len(motions)} and {list(panels)}."
        )
    extractors = sorted({motion.extractor for motion in motions.values()})
    if len(extractors) > 1:
        raise DisMoError(
            f"These motions were made by different extractors ({', '.join(extractors)}) and cannot be compared. "
            "Extract them with the same one."
        )


def _draw_energy(axes: Axes, motions: Mapping[str, Motion]) -> None:
    for label, motion in motions.items():
        energy = _energy(motion)
        seconds = np.arange(len(energy)) / motion.fps
        axes.plot(seconds, energy.numpy(), marker="o", markersize=3, label=label)
    axes.set(xlabel="seconds", ylabel="distance from still", title="How much moves", ylim=(0, None))
    axes.legend()


def _draw_path(axes: Axes, motions: Mapping[str, Motion]) -> None:
    rows = torch.cat([motion.embeddings for motion in motions.values()])
    centre = rows.mean(dim=0)
    spread = torch.linalg.svd(rows - centre, full_matrices=False)
    share = 100 * spread.S**2 / (spread.S**2).sum().clamp_min(1e-12)
    for label, motion in motions.items():
        at = ((motion.embeddings - centre) @ spread.Vh[:2].T).numpy()
        axes.plot(at[:, 0], at[:, -1], marker="o", markersize=3, label=label)
        axes.plot(at[:1, 0], at[:1, -1], marker="s", markersize=8, color="black")
    axes.set(
        xlabel=f"1st direction ({share[0]:.0f} % of the spread)",
        ylabel=f"2nd direction ({share[:2][-1]:.0f} %)",
        title="Path of the motion (square: start)",
    )
    axes.legend()


def _thinned(rows: Tensor) -> Tensor:
    """At most `SQUARE` of the rows, evenly: a square of all would grow with the square of the length."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), SQUARE)).round().long()]


def _draw_self_similarity(strip: SubFigure, motions: Mapping[str, Motion]) -> None:
    """One square per motion on one color scale; blocks are stretches of one motion, stripes are repetition."""
    directions = {label: F.normalize(_thinned(motion.embeddings), dim=-1) for label, motion in motions.items()}
    squares = {label: (rows @ rows.T).clamp(-1, 1) for label, rows in directions.items()}
    low = min(float(square.min()) for square in squares.values())
    panels = strip.subplots(1, len(squares), squeeze=False)[0]
    for axes, (label, square) in zip(panels, squares.items(), strict=True):
        end = len(motions[label].embeddings) / motions[label].fps
        image = axes.imshow(square.numpy(), vmin=min(low, 0.99), vmax=1, origin="lower", extent=(0, end, 0, end))
        axes.set(xlabel="seconds", title=label)
    panels[0].set_ylabel("seconds")
    strip.colorbar(image, ax=list(panels), label="alike (cosine)")
