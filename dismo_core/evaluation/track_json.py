"""Tracks of points as text: what ComfyUI's `WanTrackToVideo` and other track-driven video models read; and drawn on a picture."""

from __future__ import annotations

import colorsys
import json
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import DisMoError

MOST = 10_000  # points, and frames
FARTHEST = 1e6  # px of a point from the corner
MOST_POSITIONS = 2_000_000  # points times frames: some 60 MB of text

Array = NDArray[np.float64]


def check_tracks(points: int, width: int, height: int, frames: int, fps: float) -> None:
    """Raise for sizes and numbers of tracks that cannot be.

    Args:
        points: how many.
        width: px.
        height: px.
        frames: positions of each.
        fps: of them per second.
    """
    for value, name in ((points, "points"), (frames, "frames")):
        if not 1 <= value <= MOST:
            raise DisMoError(
                f"{name} is {value:,}; tracks have 1 to {MOST:,}. Models that follow tracks want about 81 points."
            )
    if points * frames > MOST_POSITIONS:
        raise DisMoError(
            f"{points:,} points over {frames:,} frames are {points * frames:,} positions; at most {MOST_POSITIONS:,} go into one "
            "text. Take fewer points or frames."
        )
    if not (1 <= width <= MOST * 2 and 1 <= height <= MOST * 2):
        raise DisMoError(
            f"The size of the video the tracks are for must be 1 to {MOST * 2:,} px a side, not {width}x{height}."
        )
    if not 0 < fps <= 240:
        raise DisMoError(f"fps must be above 0 and at most 240, not {fps}.")


def tracks_json(tracks: Array) -> str:
    """A list of tracks, each a list of {"x": ..., "y": ...} in px, rounded to hundredths.

    Args:
        tracks: [N, T, 2].
    """
    rounded = np.round(tracks, 2).tolist()
    return json.dumps([[{"x": x, "y": y} for x, y in track] for track in rounded], separators=(",", ":"))


def read_points(text: str) -> Array | None:
    """Points [N, 2] that a user wrote, px; None for an empty text.

    Args:
        text: JSON: [[x, y], ...] or [{"x": x, "y": y}, ...]. Of tracks (a list of such lists) the first point of each.

    Raises:
        DisMoError: another text, no point or too many, or values that are no numbers.
    """
    if not text.strip():
        return None
    wanted = 'Write them as [[120, 80], [200, 95]] or [{"x": 120, "y": 80}].'
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:  # the first also of numbers with thousands of digits
        raise DisMoError(f"The points are no JSON ({error}). {wanted}") from error
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        count = f"{len(listed):,} of them" if isinstance(listed, list) else type(listed).__name__
        raise DisMoError(f"Points must be a list of 1 to {MOST:,}, not {count}. {wanted}")
    points = []
    for item in listed:
        if isinstance(item, list) and item and isinstance(item[0], dict):
            item = item[0]
        if (point := point_of(item)) is None:
            raise DisMoError(f"{str(item)[:80]} is no point. {wanted}")
        points.append(point)
    return np.array(points)


def point_of(item: object) -> tuple[float, float] | None:
    """(x, y) of a point as JSON holds it, [x, y] or {"x": x, "y": y}; None where it is none."""
    pair = [item.get("x"), item.get("y")] if isinstance(item, dict) else item
    if isinstance(pair, list) and len(pair) == 2 and all(_is_number(value) for value in pair):
        return float(pair[0]), float(pair[1])
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= FARTHEST


def point_grid(points: int, inside: NDArray[np.bool_]) -> Array:
    """At most `points` places [N, 2], px, on a square grid over where a mask [H, W] is true; at least one."""
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    spacing = math.sqrt(int(inside.sum()) / points)
    while True:
        axes = (_places(int(at[0]), int(at[-1]) + 1, spacing) for at in (columns, rows))
        grid: Array = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        grid = grid[inside[grid[:, 1].astype(int), grid[:, 0].astype(int)]]
        if len(grid) == 0:  # narrower than the spacing
            grid = (np.argwhere(inside)[:1, ::-1] + 0.5).astype(np.float64)
        if len(grid) <= points:
            return np.asarray(grid, dtype=np.float64)
        spacing *= 1.02


def _places(first: int, last: int, spacing: float) -> Array:
    """Places of about that spacing, with half of it before and after them."""
    count = max(1, round((last - first) / spacing))
    return first + (np.arange(count) + 0.5) * (last - first) / count


def draw_tracks(picture: Tensor, tracks: Array) -> Tensor:
    """A picture uint8 [H, W, 3] with the ways of tracks [N, T, 2], px: each in its own color, a dot where it begins."""
    image = Image.fromarray(picture.cpu().numpy())
    pen = ImageDraw.Draw(image)
    thick = max(1, round(min(image.size) / 300))
    for number, track in enumerate(tracks):
        hue = number * 0.618 % 1
        color = tuple(int(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.9, 1.0))
        way = [(float(x), float(y)) for x, y in np.clip(track, -1e4, 1e5)]
        if len(way) > 1:
            pen.line(way, fill=color, width=thick, joint="curve")
        x, y = way[0]
        pen.ellipse((x - 2 * thick, y - 2 * thick, x + 2 * thick, y + 2 * thick), fill=color, outline="white")
    return torch.from_numpy(np.array(image))
