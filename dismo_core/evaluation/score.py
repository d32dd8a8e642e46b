"""Scores of a transferred video against the drawn truth, and their medians: the metrics of docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DisMoError
from ..synthetic.held_out.scenes import COLUMNS, Frames, Scene, Target
from . import measure

Array = NDArray[np.float64]
Transfer = Callable[[Frames, Frames], Frames]
"""(driving clip uint8 [25, 64, 64, 3], target picture uint8 [64, 64, 3]) -> video uint8 [25, 64, 64, 3]."""

NOTICEABLE = 2.0  # px; shorter true displacements have no direction worth scoring
ASLEEP = 0.25  # px; a measured displacement shorter than this points nowhere
BEST_PSNR = 50.0  # dB; stands for an exact picture
LATE = 12  # sharpness is judged from this frame on
LAST = 18  # colors are judged from this frame on

Goal = tuple[str, float, float]
"""What is wanted of a metric: how it is written, least, most."""
WANTED: dict[str, Goal] = {
    "displacement_cosine": (">= 0.9", 0.9, np.inf),
    "velocity_cosine": (">= 0.8", 0.8, np.inf),
    "end_point_error_percent": ("<= 25", -np.inf, 25.0),
    "end_error_percent": ("<= 25", -np.inf, 25.0),
    "psnr_gain_db": (">= 3", 3.0, np.inf),
    "area_ratio": ("0.8..1.25", 0.8, 1.25),
    "sharpness_ratio": (">= 0.6", 0.6, np.inf),
    "color_ratio": ("<= 0.33", -np.inf, 1 / 3),
}


def velocity_cosine(true: Array, measured: Array) -> float:
    """One cosine over all steps: sum(v . v') / (|v| |v'|) of per-frame velocities [24, ...], stacked into one vector.

    Stops, turns and speed count, jitter hurts; a video that hardly moves (below 0.02 px rms a step) scores 0.
    """
    if np.sqrt((measured**2).sum() / len(measured)) < 0.02:
        return 0.0
    return float((true * measured).sum() / max(np.linalg.norm(true) * np.linalg.norm(measured), 1e-12))


def displacement_cosine(true: Array, measured: Array) -> float:
    """Mean cosine of the displacement from frame 0, [25, 2], over frames whose true one is at least 2 px.

    A measured displacement below 0.25 px counts as cosine 0.
    """
    far = np.linalg.norm(true, axis=1) >= NOTICEABLE
    t, m = true[far], measured[far]
    length = np.linalg.norm(m, axis=1)
    cosine = (t * m).sum(1) / np.maximum(np.linalg.norm(t, axis=1) * length, 1e-12)
    return float(np.where(length >= ASLEEP, cosine, 0.0).mean())


def _place_scores(true: Array, measured: Array, found: NDArray[np.bool_], changing: bool) -> dict[str, float]:
    v, v_measured = np.diff(true, axis=0), np.diff(measured, axis=0)
    v_measured[~(found[1:] & found[:-1])] = 0.0
    error = np.linalg.norm(measured - true, axis=1)
    scores = {
        "displacement_cosine": displacement_cosine(true, measured),
        "velocity_cosine": velocity_cosine(v, v_measured),
        "end_point_error_percent": 100 * float(error[1:].mean() / np.linalg.norm(true, axis=1).max()),
        "end_error_percent": 100 * float(error[-1] / np.linalg.norm(true[-1])),
    }
    if changing:
        scores["velocity_change_cosine"] = velocity_cosine(v - v.mean(0), v_measured - v_measured.mean(0))
    return scores


def psnr(a: Frames, b: Frames, where: NDArray[np.bool_]) -> float:
    """Peak signal-to-noise ratio, dB, of frames 1 to 24 over the pixels `where` [25, H, W]; at most 50."""
    error = ((a[1:].astype(np.float64) - b[1:]) ** 2).mean(-1)[where[1:]].mean() / 255**2
    return float(min(BEST_PSNR, -10 * np.log10(max(error, 1e-12))))


def _picture_scores(scene: Scene, target: Target, video: Frames, off: Array) -> dict[str, float]:
    """Picture metrics; `off` [25, 2] is where the object was found minus where it truly is, px."""
    still = np.repeat(target.picture[None], len(video), 0)
    gain = psnr(video, target.truth, target.seen) - psnr(still, target.truth, target.seen)
    if scene.family == "pan":
        near = core = target.seen.astype(np.float64)
        moved_near, moved_core = near, core
        driver = scene.driver[0].reshape(-1, 3)
    else:
        near = (measure.box(target.masks, 2) > 0.02).astype(np.float64)
        core = (target.masks > 0.95).astype(np.float64)
        moved_near = np.stack([measure.shifted(m, o) for m, o in zip(near, off, strict=True)])
        moved_core = np.stack([measure.shifted(m, o) for m, o in zip(core, off, strict=True)])
        driver = scene.driver[0][scene.driver_masks[0] > 0.95]
    truth_energy = measure.gradient_energy(target.truth[LATE:], near[LATE:])
    colors = video[LAST:][moved_core[LAST:] > 0.5] / 255
    to_target = measure.color_distance(colors, target.truth[LAST:][core[LAST:] > 0.5] / 255)
    to_driver = measure.color_distance(colors, driver / 255)
    return {
        "psnr_gain_db": gain,
        "sharpness_ratio": measure.gradient_energy(video[LATE:], moved_near[LATE:]) / truth_energy,
        "color_ratio": to_target / max(to_driver, 1e-6),
    }


@lru_cache(maxsize=256)
def _true_area(target: Target) -> float:
    """The matte's area in the last three frames of the true video, px."""
    return float(measure.matte(target.truth[-3:], target.picture, target.masks[0]).sum())


def score(scene: Scene, column: str, video: Frames) -> dict[str, float]:
    """All metrics of one video made for `scene.targets[column]`; docs/evaluation.md defines them.

    Raises:
        DisMoError: the video is not uint8 of the truth's shape.
    """
    target = scene.targets[column]
    if video.dtype != np.uint8 or video.shape != target.truth.shape:
        raise DisMoError(
            f"A video to be scored must be uint8 {target.truth.shape}, as the true one is, not {video.dtype} {video.shape}. Make one "
            "frame for each of the driving clip's, of the picture's size."
        )
    path = target.path
    if scene.family == "pan":
        shift = measure.track_ground(video)
        scores = _place_scores(path.displacement, shift, np.ones(len(video), bool), scene.changing)
        return scores | _picture_scores(scene, target, video, np.zeros_like(shift))
    growth = float(np.exp(max(0.0, path.log_scale.max()))) * 1.2 if scene.family == "scale" else 1.0
    track = measure.track_object(video, target.picture, target.masks[0], growth)
    both = track.found[1:] & track.found[:-1]
    radius = float(np.sqrt(target.masks[0].sum() / np.pi))  # px; turns a growth or a turn into the way of the outline
    if scene.family == "translation":
        scores = _place_scores(path.displacement, track.displacement, track.found, scene.changing)
    elif scene.family == "scale":
        factor = np.sqrt(track.size / max(track.size[0], 1e-6))
        error = 100 * np.abs(factor / np.exp(path.log_scale) - 1)
        scores = {
            "velocity_cosine": velocity_cosine(
                radius * np.diff(np.exp(path.log_scale)), radius * np.diff(factor) * both
            ),
            "factor_error_percent": float(error[1:].mean()),
            "end_factor_error_percent": float(error[-1]),
        }
    else:
        angle = measure.track_angle(video, track, 1.3 * radius)
        degrees = np.rad2deg(np.abs(angle - path.angle))
        scores = {
            "velocity_cosine": velocity_cosine(radius * np.diff(path.angle), radius * np.diff(angle) * both),
            "angle_error_degrees": float(degrees[1:].mean()),
            "end_angle_error_degrees": float(degrees[-1]),
        }
    scores["area_ratio"] = float(track.area[-3:].sum() / _true_area(target))
    return scores | _picture_scores(scene, target, video, track.displacement - path.displacement)


def describe(scene: Scene, column: str) -> dict[str, Any]:
    """What a row of scores is about."""
    return {
        "index": scene.index,
        "family": scene.family,
        "law": scene.law,
        "changing": scene.changing,
        "column": column,
    }


def evaluate_videos(
    scenes: Sequence[Scene], video_for: Callable[[Scene, str], Frames], columns: Iterable[str] = COLUMNS
) -> dict[str, Any]:
    """Score the video that `video_for(scene, column)` gives for each scene and column.

    Returns:
        `scenes`: a list with index, family, law, changing, column and metrics of each video; `summary`:
        [column][family][metric] medians, where `velocity_cosine_changing` and `_smooth` split the scenes by law.
    """
    rows = [describe(s, column) | score(s, column, video_for(s, column)) for s in scenes for column in columns]
    return {"scenes": rows, "summary": summarise(rows)}


def evaluate(scenes: Sequence[Scene], transfer: Transfer, columns: Iterable[str] = COLUMNS) -> dict[str, Any]:
    """Run `transfer(driving clip, picture)` on each scene and column, and score it; result as `evaluate_videos`."""
    return evaluate_videos(scenes, lambda s, column: transfer(s.driver, s.targets[column].picture), columns)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over scenes: [column][family][metric]."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for column, family in sorted({(r["column"], r["family"]) for r in rows}):
        group = [r for r in rows if (r["column"], r["family"]) == (column, family)]
        names = [
            k
            for k in dict.fromkeys(k for r in group for k in r)
            if k not in ("index", "family", "law", "changing", "column")
        ]
        medians = {name: float(np.median([r[name] for r in group if name in r])) for name in names}
        for label, changing in (("changing", True), ("smooth", False)):
            part = [r["velocity_cosine"] for r in group if r["changing"] is changing]
            if part:
                medians[f"velocity_cosine_{label}"] = float(np.median(part))
        summary.setdefault(column, {})[family] = medians | {"scenes": len(group)}
    return summary


def met(metric: str, value: float, goals: Mapping[str, Goal] = WANTED) -> bool:
    """Whether `value` reaches what is wanted of `metric` (true for metrics that are only reported)."""
    _, least, most = goals.get(metric, ("", -np.inf, np.inf))
    return bool(least <= value <= most)
