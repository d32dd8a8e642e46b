"""Pictures for people: contact sheets, side-by-side videos and plots of a motion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from .files import atomic_write

if TYPE_CHECKING:
    from .motion import Motion

GAP = 4  # px of white between panels


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
    """Plot motions: energy over time (distance from the still embedding) and their paths in the plane of largest spread.

    Args:
        motions: label -> motion, of one extractor.
        path: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    energy, plane = figure.subplots(1, 2)
    rows = torch.cat([motion.embeddings for motion in motions.values()])
    centre = rows.mean(dim=0)
    axes = torch.linalg.svd(rows - centre, full_matrices=False).Vh[:2]
    for label, motion in motions.items():
        origin = centre if motion.still is None else motion.still
        seconds = torch.arange(len(motion.embeddings)) / motion.fps
        energy.plot(seconds, (motion.embeddings - origin).norm(dim=-1), marker="o", markersize=3, label=label)
        at = (motion.embeddings - centre) @ axes.T
        plane.plot(at[:, 0], at[:, -1], marker="o", markersize=3, label=label)
        plane.plot(at[:1, 0], at[:1, -1], marker="s", markersize=8, color="black")
    energy.set(xlabel="seconds", ylabel="distance from still", title="How much moves", ylim=(0, None))
    plane.set(xlabel="1st direction", ylabel="2nd direction", title="Path of the motion (square: start)")
    energy.legend()
    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110)
