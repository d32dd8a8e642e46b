"""Where the points of a grid go: tracks by dense optical flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DisMoError

SIDE = 256  # px, the shorter side of the frames that flow is measured on
SPACING = 16  # px between the points of the grid
CONSISTENT = 1.0  # px; flow forward and back must end this near to where it began

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tracks:
    """N points over T frames.

    Args:
        points: (x, y) px on frames of shorter side 256, float32 [N, T, 2]; stays put once lost.
        visible: bool [N, T]; a point that is lost stays lost.
    """

    points: Array
    visible: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        """T."""
        return int(self.points.shape[1])

    def trimmed(self, frames: int) -> Tracks:
        """The first `frames` frames."""
        return Tracks(self.points[:, :frames], self.visible[:, :frames])


def track_grid(frames: Tensor) -> Tracks:
    """Follow a grid of points, 16 px apart on frames of shorter side 256, from the first frame on; see `track_points`."""
    size = _size(frames)
    axes = [np.arange(SPACING / 2, side, SPACING, dtype=np.float32) for side in size]
    return track_points(frames, np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2))


def track_points(
    frames: Tensor, start: Array, progress: Callable[[int, int], None] = lambda done, total: None
) -> Tracks:
    """Follow points from the first frame on by DIS optical flow (Kroeger et al. 2016).

    A point is lost where it leaves the picture or where flow forward and back again misses it by more than 1 px.

    Args:
        frames: uint8 [T, H, W, 3], T >= 2.
        start: where they are in the first frame, (x, y) px on frames of shorter side 256, [N, 2].
        progress: called with (frames done, in all); what it raises passes through.

    Raises:
        DisMoError: OpenCV is missing, or there is a single frame.
    """
    try:
        import cv2
    except ImportError as error:
        raise DisMoError("Tracks need OpenCV. Install it: pip install opencv-python-headless") from error

    if len(frames) < 2:
        raise DisMoError(f"The clip has {len(frames)} frame; motion needs two or more. Take a longer clip.")
    size = _size(frames)
    way = cv2.INTER_AREA if min(size) < min(frames.shape[1:3]) else cv2.INTER_CUBIC
    grey = [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), size, interpolation=way) for f in frames.numpy()]
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def at(field: Array, points: Array) -> Array:
        """`field` [H, W, 2] at points [N, 2], bilinear."""
        return np.asarray(cv2.remap(field, points[:, :1], points[:, 1:], cv2.INTER_LINEAR)[:, 0])

    points = [np.asarray(start, dtype=np.float32)]
    visible = [np.ones(len(start), dtype=bool)]
    for number, (before, after) in enumerate(zip(grey, grey[1:], strict=False), 2):
        here = points[-1]
        step = at(flow.calc(before, after, None), here)
        there = here + step
        back = at(flow.calc(after, before, None), there)
        inside = ((there >= 0) & (there <= np.array(size) - 1)).all(axis=1)
        seen = visible[-1] & inside & (np.linalg.norm(step + back, axis=1) <= CONSISTENT)
        points.append(np.where(seen[:, None], there, here))
        visible.append(seen)
        progress(number, len(grey))
    return Tracks(np.stack(points, axis=1), np.stack(visible, axis=1))


def _size(frames: Tensor) -> tuple[int, int]:
    """(width, height) of frames [T, H, W, 3] scaled to the shorter side 256."""
    height, width = frames.shape[1:3]
    scale = SIDE / min(height, width)
    return round(width * scale), round(height * scale)
