"""A stroke of a brush in a mask, as the line along its middle."""

from __future__ import annotations

import heapq
import logging
import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import DisMoError

log = logging.getLogger(__name__)

SIDE = 160  # px, the longer side of the mask that is looked at
PAINTED = 0.5
SHORTEST = 2.0  # lengths in widths; what is shorter is a spot
ASTRAY = 0.15  # share of a line that may lie beside its stroke
LEFT_RIGHT = 0.5  # of the way between the ends: with less from left to right it goes from top to bottom
NEIGHBORS = [(dy, dx, math.hypot(dy, dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]

Array = NDArray[np.float64]


def stroke_line(mask: Tensor) -> Array:
    """The middle of a stroke from its left end to its right one; from top to bottom where it is more upright than level.

    The two points of the stroke that are farthest apart along it are its ends. What is equally far from one of them makes a
    cut across the stroke, and the middles of the cuts are the line.

    Args:
        mask: [H, W] or [1, H, W], 0..1; white = the stroke. Of several the largest counts.

    Returns:
        [N, 2], (x, y) px of the mask, N >= 2.

    Raises:
        DisMoError: nothing is painted, a spot, or a stroke that closes or crosses itself.
    """
    if mask.ndim == 3 and len(mask) == 1:
        mask = mask[0]
    if mask.ndim != 2 or 0 in mask.shape or not bool(mask.isfinite().all()):
        raise DisMoError(
            f"A stroke is one mask [height, width] of finite values, not {list(mask.shape)}. Choose one of them."
        )
    scale = SIDE / max(mask.shape)
    if scale < 1:
        sides = [max(1, round(side * scale)) for side in mask.shape]
        small = interpolate(mask[None, None].float(), sides, mode="bilinear", antialias=True)[0, 0]
    else:
        small = mask.float()
    painted = (small > PAINTED).cpu().numpy()
    line = _middle(*_ends(_largest(painted)))
    rows, columns = mask.shape
    line = line * np.array([columns / painted.shape[1], rows / painted.shape[0]])
    way = line[-1] - line[0]
    back = way[0] < 0 if abs(way[0]) > LEFT_RIGHT * abs(way[1]) else way[1] < 0
    return np.ascontiguousarray(line[::-1] if back else line)


def _largest(painted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part."""
    rest, parts = painted.copy(), []
    while rest.any():
        near = np.isfinite(_distances(rest, _first(rest)))
        parts.append(near)
        rest &= ~near
    if not parts:
        raise DisMoError("The mask is empty: there is no stroke to follow. Draw one, or give points.")
    if len(parts) > 1:
        log.warning("The mask holds %d strokes; the largest is followed.", len(parts))
    return max(parts, key=lambda part: int(part.sum()))


def _first(painted: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = np.argwhere(painted)[0]
    return int(row), int(column)


def _ends(painted: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Array]:
    """The stroke, and how far each of its points is from one end along it, px; elsewhere infinite."""
    far = _distances(painted, _first(painted))
    end = np.unravel_index(np.where(painted, far, -1).argmax(), far.shape)
    return painted, _distances(painted, (int(end[0]), int(end[1])))


def _middle(painted: NDArray[np.bool_], far: Array) -> Array:
    """Middles (x, y) of the cuts across the stroke, [N, 2] px."""
    length = float(far[painted].max())
    width = int(painted.sum()) / max(length, 1.0)
    if length < SHORTEST * width or length < 3:
        raise DisMoError(
            "What is painted in the mask is a spot, not a stroke: it has no direction. Draw a longer, thinner line."
        )
    count = max(2, round(length / max(1.5, width / 2)))
    cut = np.minimum((far[painted] / length * count).astype(int), count - 1)
    points = np.argwhere(painted)[:, ::-1] + 0.5
    line = np.stack([points[cut == number].mean(axis=0) for number in range(count) if (cut == number).any()])
    inside = painted[line[:, 1].astype(int), line[:, 0].astype(int)]
    if float((~inside).mean()) > ASTRAY:
        raise DisMoError(
            "The stroke closes or crosses itself, so it has no two ends to follow it between. Leave a gap, or give points."
        )
    return line


def _distances(painted: NDArray[np.bool_], start: tuple[int, int]) -> Array:
    """Shortest ways within what is painted from a point (row, column), px (Dijkstra 1959)."""
    far = np.full(painted.shape, math.inf)
    far[start] = 0.0
    waiting = [(0.0, *start)]
    while waiting:
        here, row, column = heapq.heappop(waiting)
        if here > far[row, column]:
            continue
        for dy, dx, step in NEIGHBORS:
            y, x = row + dy, column + dx
            if 0 <= y < painted.shape[0] and 0 <= x < painted.shape[1] and painted[y, x] and here + step < far[y, x]:
                far[y, x] = here + step
                heapq.heappush(waiting, (here + step, y, x))
    return far
