"""Pictures for people: contact sheets, side-by-side videos and plots of a motion."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import DisMoError
from .files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from .motion import Motion

GAP = 4  # px of white between panels
PANELS = ("energy", "path", "self-similarity")
SQUARE = 1000  # rows of a self-similarity plot; no screen shows more


def enlarged(frames: Tensor, height: int) -> Tensor:
    """uint8 [T,H,W,3] -> uint8 [T,height,w,3], bicubic, aspect kept."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    x = frames.movedim(-1, 1).float()
    x = F.interpolate(x, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8).movedim(1, -1)


def side_by_side(rows: Sequence[Tensor], height: int = 256) -> Tensor:
    """Several videos uint8 [T,H,W,3] of one length beside each other, uint8 [T,height,W',3]."""
    panels: list[Tensor] = []
    for frames in rows:
        if panels:
            panels.append(torch.full((len(frames), height, GAP, 3), 255, dtype=torch.uint8))
        panels.append(enlarged(frames, height))
    return torch.cat(panels, dim=2)


def contact_sheet(rows: Sequence[Tensor], columns: int = 9, height: int = 128) -> Tensor:
    """Evenly spaced frames of several videos, one row each, uint8 [H,W,3]; widths are those of the first row."""
    lines: list[Tensor] = []
    for frames in rows:
        index = torch.linspace(0, len(frames) - 1, columns).round().long()
        panels = enlarged(frames[index], height)
        row = torch.cat([F.pad(panel, (0, 0, 0, GAP), value=255) for panel in panels], dim=1)
        lines.append(F.pad(row, (0, 0, 0, 0, 0, GAP), value=255))
    width = max(line.shape[1] for line in lines)
    return torch.cat([F.pad(line, (0, 0, 0, width - line.shape[1]), value=255) for line in lines])


def save_picture(picture: Tensor, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write uint8 [H,W,3] as PNG or JPEG, by the suffix.

    Raises:
        DisMoError: the file exists and `overwrite` is false, or cannot be written.
    """
    from PIL import Image

    with atomic_write(path, overwrite=overwrite) as temporary:
        Image.fromarray(picture.numpy()).save(temporary)


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
        origin = motion.embeddings.mean(dim=0) if motion.still is None else motion.still
        energy = (motion.embeddings - origin).norm(dim=-1)
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
    """One square per motion on one colour scale; blocks are stretches of one motion, stripes are repetition."""
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
