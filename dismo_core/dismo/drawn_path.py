"""A path that a user draws becomes a motion: a textured patch goes along it and is extracted as any clip is."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import DisMoError
from ..evaluation.track_json import MOST, point_of
from ..video.picture import to_uint8
from .drawn_motion import Way, check_drawing, drawn_frames, drawn_motion
from .stroke import stroke_line

if TYPE_CHECKING:
    from ..runtime import Runtime
    from .models.extractor import MotionExtractor
    from .motion import Motion

log = logging.getLogger(__name__)

PACES = ("constant", "spaced")
LARGEST = 8192  # px, sides of what is drawn on
SAMPLED = 256  # px, longer side of the frames that are shown
SCENE = 3  # the drawn clip that is shown, with textures that are well seen
FASTEST = 0.06  # sides of the picture in a frame; what goes faster is read as slower
SHORTEST = 0.015  # sides of the picture; what goes less far is read as standing still
EXAMPLE = 'Write it as [{"x": 60, "y": 200}, {"x": 300, "y": 120}] or [[60, 200], [300, 120]].'

Array = NDArray[np.float64]


def read_path(text: str) -> Array:
    """The points of a path [N, 2], px, that a user wrote or a spline editor gave.

    Args:
        text: JSON: [{"x": x, "y": y}, ...] or [[x, y], ...]; or a list of such paths, of which the first counts.

    Raises:
        DisMoError: another text, fewer than two points or too many, or values that are no numbers.
    """
    try:
        listed = json.loads(text.replace("'", '"'))  # some editors write Python's quotes
    except (ValueError, RecursionError) as error:  # the first also of numbers with thousands of digits
        raise DisMoError(f"The path is no JSON ({error}). {EXAMPLE}") from error
    if isinstance(listed, list) and listed and isinstance(listed[0], list) and point_of(listed[0]) is None:
        if len(listed) > 1:
            log.warning("There are %d paths; the first is drawn, the others are left out.", len(listed))
        listed = listed[0]
    if not isinstance(listed, list) or not 2 <= len(listed) <= MOST:
        count = f"{len(listed):,} of them" if isinstance(listed, list) else type(listed).__name__
        raise DisMoError(f"A path is a list of 2 to {MOST:,} points, not {count}. {EXAMPLE}")
    points = []
    for item in listed:
        if (point := point_of(item)) is None:
            raise DisMoError(f"{str(item)[:80]} is no point. {EXAMPLE}")
        points.append(point)
    return np.array(points)


def path_motion(
    path: str | Array | Tensor,
    extractor: MotionExtractor | None = None,
    *,
    size: tuple[int, int] = (512, 512),
    frames: int = 25,
    fps: float = 8.0,
    pace: str = "constant",
    reverse: bool = False,
    runtime: Runtime | None = None,
) -> tuple[Motion, Tensor]:
    """The motion of a thing that goes along a drawn path.

    Args:
        path: text (see `read_path`); points [N, 2] in px; or a mask [H, W], 0..1, with a stroke (see `stroke_line`).
        extractor: that reads it; None = the bundled one.
        size: (height, width), px, of what the points were drawn on; of a mask its own size counts.
        frames: at least 5.
        fps: frames a second.
        pace: "constant" = as many px in every frame; "spaced" = as much time from each point to the next.
        reverse: from the end to the beginning.
        runtime: for progress and cancel.

    Returns:
        The motion, and one of the clips that it was read from, uint8 [T, h, w, 3], in the shape of `size`.

    Raises:
        DisMoError: a text, points or a stroke that make no path, a path that goes nowhere, or numbers out of range.
    """
    check_drawing(frames, fps)
    if pace not in PACES:
        raise DisMoError(f"There is no pace {pace!r}. Choose one of: {', '.join(PACES)}.")
    if isinstance(path, Tensor):
        points, size = stroke_line(path), (int(path.shape[-2]), int(path.shape[-1]))
        pace = "constant"  # the points of a stroke say nothing of time
    else:
        points = read_path(path) if isinstance(path, str) else np.asarray(path, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise DisMoError(
            f"A path is two or more finite points [N, 2], not of the shape {list(points.shape)}. {EXAMPLE}"
        )
    if not all(1 <= side <= LARGEST for side in size):
        raise DisMoError(
            f"The size of what the path is drawn on must be 1 to {LARGEST:,} px a side, not {size[1]}x{size[0]}."
        )
    places = along(points[::-1] if reverse else points, frames, pace)
    way, start = path_way(places, size)
    if extractor is None:
        from .weights import load_motion_extractor

        extractor = load_motion_extractor("tiny", "cpu" if runtime is None else runtime.device)
    motion = drawn_motion(extractor, way, "thing", fps, "drawn path", start=start, runtime=runtime)
    return motion, _clip_to_show(way, start, size)


def along(points: Array, frames: int, pace: str) -> Array:
    """Where something on a path of points [N, 2] is in each of so many frames, [frames, 2]; see `path_motion`."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    passed = np.concatenate([[0.0], np.cumsum(lengths if pace == "constant" else np.ones(len(lengths)))])
    times = np.linspace(0, passed[-1], frames)
    return np.stack([np.interp(times, passed, points[:, axis]) for axis in (0, 1)], axis=1)


def path_way(places: Array, size: tuple[int, int]) -> tuple[Way, Tensor]:
    """Places [T, 2], px of a picture of `size` (height, width), as a way, and where it begins (sides from the middle).

    Raises:
        DisMoError: it goes nowhere.
    """
    shares = torch.from_numpy(places / np.array([size[1], size[0]], dtype=np.float64))
    shift = shares - shares[0]
    if float(shift.norm(dim=1).max()) < SHORTEST:
        raise DisMoError(
            f"The path stays within {100 * SHORTEST:g} % of the picture, which reads as standing still. Draw a longer one; its points are "
            f"in px of a picture of {size[1]}x{size[0]}."
        )
    fastest = float(shift.diff(dim=0).norm(dim=1).max())
    if fastest > FASTEST:
        log.warning(
            "The path goes through up to %.0f %% of the picture in a frame; embeddings tell up to about %.0f %%, and what is faster "
            "moves less far. Take more frames.",
            100 * fastest,
            100 * FASTEST,
        )
    none = torch.zeros(len(shift), dtype=torch.float64)
    return Way(shift, none, none), shares[0] - 0.5


def _clip_to_show(way: Way, start: Tensor, size: tuple[int, int]) -> Tensor:
    """One of the drawn clips, larger than it was read, uint8 [T, h, w, 3] in the shape of `size`."""
    scale = SAMPLED / max(size)
    sides = [max(1, round(side * scale)) for side in size]
    pieces = []
    for piece in drawn_frames(way, "thing", SAMPLED, SCENE, start):
        shaped = interpolate(piece.movedim(-1, 1), sides, mode="bilinear", antialias=True)
        pieces.append(to_uint8(shaped.movedim(1, -1)))
    return torch.cat(pieces)
