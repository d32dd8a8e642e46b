"""How far a video of the layered model is from the true place after 25, 49 and 121 frames: errors of reading add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...synthetic.held_out.families import CLIP_SEED, ClipMotion, draw_appearance, draw_clip
from ...synthetic.held_out.paths import Path as Way
from ...synthetic.held_out.scenes import SIZE, Frames
from ..layered.model import LayeredModel
from ..motion import Motion

LENGTHS = (25, 49, 121)
SWING = (4.0, 7.0)  # px
PERIOD = (10.0, 22.0)  # frames
APPEARANCES = 8
TOTALS = {"zoom": (0.3, 0.7), "turn": (0.5, 1.3)}  # over a clip: logarithm of the growth, radians

Array = NDArray[np.float64]


def swinging(rng: np.random.Generator, camera: bool, frames: int) -> tuple[ClipMotion, Array]:
    """Camera or thing that swings through the middle for as long as one likes, and its displacement since frame 0, px."""
    step = np.arange(frames)
    angle = rng.uniform(0, 2 * np.pi)
    way = rng.uniform(*SWING) * np.sin(2 * np.pi * (step / rng.uniform(*PERIOD) + rng.uniform()))
    displacement = way[:, None] * np.array([np.cos(angle), np.sin(angle)])
    none, rest = np.zeros(frames), Way.at_rest(frames)
    moved = Way(displacement, none, none)
    return ClipMotion(moved, rest) if camera else ClipMotion(rest, moved), displacement - displacement[0]


def measure_drift(
    model: LayeredModel,
    extract: Callable[[Frames], Motion],
    clips: int,
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Distance of the read path from the true one at the last frame, and of a clip that stands still.

    Args:
        model: reads the motions.
        extract: clip uint8 [T, 64, 64, 3] -> its motion.
        clips: of each kind and length.
        progress: called with (clips done, in all).

    Returns:
        A row for each clip: kind, frames, and the drift at the end in sides of the picture.
    """
    kinds = ("camera", "thing", "still")
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        for frames in LENGTHS:
            for take in range(clips):
                rng = np.random.default_rng([CLIP_SEED, kinds.index(kind), frames, take])
                if kind == "still":
                    motion, true = ClipMotion(Way.at_rest(frames), Way.at_rest(frames)), np.zeros((frames, 2))
                else:
                    motion, true = swinging(rng, kind == "camera", frames)
                clip = draw_clip(rng, draw_appearance(take % APPEARANCES), motion)
                path = model.path(extract(clip))
                columns = {"camera": slice(0, 2), "thing": slice(4, 6)}
                parts = [columns[kind]] if kind in columns else list(columns.values())
                read = max(_distance(path.steps[:, part].sum(0), true[-1] / SIZE) for part in parts)
                rows.append({"kind": kind, "frames": frames, "take": take, "drift": read})
                progress(len(rows), len(kinds) * len(LENGTHS) * clips)
    return rows


def _distance(read: torch.Tensor, true: Array) -> float:
    return float(np.linalg.norm(read.numpy() - true))


def measure_camera(
    model: LayeredModel,
    extract: Callable[[Frames], Motion],
    clips: int,
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Error of zoom and turn of a camera over a whole clip of 25 frames, as a share of the true way; see `measure_drift`."""
    rows: list[dict[str, Any]] = []
    kinds = ("zoom", "turn")
    frames = LENGTHS[0]
    for kind in kinds:
        for take in range(clips):
            rng = np.random.default_rng([CLIP_SEED, 10 + kinds.index(kind), take])
            way = rng.choice([-1.0, 1.0]) * rng.uniform(*TOTALS[kind]) * np.linspace(-0.5, 0.5, frames)
            none = np.zeros(frames)
            scale, angle = (way, none) if kind == "zoom" else (none, way)
            camera = Way(np.zeros((frames, 2)), scale, angle)
            clip = draw_clip(rng, draw_appearance(take % APPEARANCES), ClipMotion(camera, Way.at_rest(frames)))
            read = float(model.path(extract(clip)).steps[:, 2 + kinds.index(kind)].sum())
            true = float(way[-1] - way[0])
            rows.append({"kind": kind, "take": take, "true": true, "read": read, "error": abs(read / true - 1)})
            progress(len(rows), len(kinds) * clips)
    return rows


def medians(rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Median drift [kind][frames]."""
    return {
        kind: {
            frames: float(np.median([r["drift"] for r in rows if (r["kind"], r["frames"]) == (kind, frames)]))
            for frames in LENGTHS
        }
        for kind in dict.fromkeys(row["kind"] for row in rows)
    }
