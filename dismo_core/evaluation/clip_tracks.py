"""Where points of a clip go, in the size and at the times that a track-driven video model wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..video.picture import centre_crop
from .track_json import check_tracks, point_grid
from .tracks import SIDE, track_points

Array = NDArray[np.float64]


def clip_tracks(
    clip: Tensor,
    clip_fps: float,
    *,
    points: int = 81,
    own_points: Array | None = None,
    size: tuple[int, int] = (480, 832),
    frames: int = 121,
    fps: float = 24.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Array:
    """Follow points of a clip by optical flow; after its end, and where one is lost, it stays where it is.

    Args:
        clip: uint8 [T, H, W, 3], T >= 2.
        clip_fps: its frames per second.
        points: about how many, on a grid over the picture.
        own_points: [N, 2], px of the video; None = the grid.
        size: (height, width) of the video, px; the clip is cropped in its middle to this shape.
        frames: positions of each point.
        fps: positions per second.
        progress: called with (frames of the clip done, in all); what it raises passes through.

    Returns:
        [N, frames, 2], px of the video.

    Raises:
        DisMoError: numbers out of range, OpenCV is missing, or a single frame.
    """
    height, width = size
    check_tracks(len(own_points) if own_points is not None else points, width, height, frames, fps)
    if own_points is None:
        own_points = point_grid(points, np.ones(size, bool))
    rows, columns = clip.shape[1:3]
    top, left, inner_rows, inner_columns = centre_crop(rows, columns, size)
    to_clip = np.array([inner_columns / width, inner_rows / height])
    corner, scale = np.array([left, top]), SIDE / min(rows, columns)
    start = (own_points * to_clip + corner) * scale - 0.5
    found = track_points(clip, start.astype(np.float32), progress).points.astype(np.float64)
    way = ((found + 0.5) / scale - corner) / to_clip
    times = np.minimum(np.arange(frames) * clip_fps / fps, len(clip) - 1)
    first = np.minimum(times.astype(int), len(clip) - 2)
    part = (times - first)[None, :, None]
    return np.asarray(way[:, first] * (1 - part) + way[:, first + 1] * part)
