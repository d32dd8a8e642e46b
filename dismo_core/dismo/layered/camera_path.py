"""The camera's way as numbers for compositors and 3D programs, and as a plot."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import torch
from torch import Tensor

from ...errors import DisMoError
from ...imports import importing
from .path import Path

FORMATS = ("json", "csv")
COLUMNS = ("frame", "shift_x", "shift_y", "zoom", "rotation")


def camera_rows(path: Path, size: tuple[int, int] = (1, 1)) -> list[dict[str, float]]:
    """How the picture's content has moved on the screen at each frame of the motion, about the picture's middle.

    Args:
        path: of a layered model.
        size: (height, width) of the picture; only their ratio matters, where shifts meet zoom or rotation.

    Returns:
        Rows with `COLUMNS`: frame number, shift right and down in widths and heights of the picture, factor of growth,
        clockwise turn in degrees.
    """
    moved = path.ground(torch.arange(path.frames, dtype=torch.float64), size)
    turn = path.steps[:, 3].cumsum(0)  # not from the angle of the scale: turns may go round
    rows = []
    for frame in range(path.frames):
        angle = math.degrees(float(turn[frame - 1])) if frame else 0.0
        shift, zoom = complex(moved.shift[frame].item()), float(moved.scale[frame].abs())
        numbers = (shift.real / size[1], shift.imag / size[0], zoom, angle)
        rows.append(
            {"frame": frame} | {name: round(value, 6) for name, value in zip(COLUMNS[1:], numbers, strict=True)}
        )
    return rows


def camera_text(path: Path, format: str = "json", size: tuple[int, int] = (1, 1)) -> str:
    """The rows as text.

    Args:
        path: of a layered model.
        format: "json" (with the frame rate) or "csv" (with a line of names).
        size: see `camera_rows`.

    Raises:
        DisMoError: another format.
    """
    rows = camera_rows(path, size)
    if format == "json":
        about = "shift in widths and heights of the picture, zoom as a factor, rotation in degrees clockwise, about the middle"
        return json.dumps({"fps": path.fps, "units": about, "frames": rows}, indent=1)
    if format == "csv":
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        return text.getvalue()
    raise DisMoError(f"There is no format {format!r} for a camera path. Choose one of: {', '.join(FORMATS)}.")


def plot_camera(path: Path, width: int = 700, size: tuple[int, int] = (1, 1)) -> Tensor:
    """Shift, zoom and rotation over time, uint8 [H, width, 3]; `size` as in `camera_rows`."""
    with importing("matplotlib"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    rows = camera_rows(path, size)
    seconds = [row["frame"] / path.fps for row in rows]
    figure = Figure(figsize=(7, 6), dpi=width / 7, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(3, 1, sharex=True)
    axes[0].plot(seconds, [100 * row["shift_x"] for row in rows], label="right")
    axes[0].plot(seconds, [100 * row["shift_y"] for row in rows], label="down")
    axes[0].set_ylabel("shift, % of the picture")
    axes[0].legend()
    axes[1].plot(seconds, [row["zoom"] for row in rows], color="tab:green")
    axes[1].set_ylabel("zoom")
    axes[2].plot(seconds, [row["rotation"] for row in rows], color="tab:red")
    axes[2].set_ylabel("rotation, degrees")
    axes[2].set_xlabel("seconds")
    for axis in axes:
        axis.grid(alpha=0.3)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return torch.from_numpy(pixels[..., :3].copy())
