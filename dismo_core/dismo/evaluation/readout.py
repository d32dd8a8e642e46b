"""How much of the motion of held-out driving clips a linear readout finds in their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...synthetic.held_out.paths import FRAMES
from ...synthetic.held_out.scenes import Family, Frames, Scene, draw_scene
from ..motion import LOOK_AHEAD

Array = NDArray[np.float64]
OTHER_SEED = 1  # of the scenes that the readout is fitted on
RIDGE = 1e-4  # without it, R² of drawn clips is 0.01 lower: a few directions hold next to nothing
PARTS: dict[Family, slice] = {
    "translation": slice(0, 2),
    "pan": slice(2, 4),
    "scale": slice(4, 5),
    "rotation": slice(5, 6),
}


@dataclass(frozen=True)
class Reading:
    """One clip.

    Args:
        family: what moves in it.
        embeddings: [21, d].
        truth: [21, 6], what really happens in the four frames after each: dx and dy of the object, of the ground (px),
            growth (log), turn (radians).
    """

    family: Family
    embeddings: Array
    truth: Array


def true_amounts(scene: Scene) -> Array:
    """[21, 6], see `Reading`."""
    path = scene.targets["same"].path
    amounts = np.zeros((FRAMES - LOOK_AHEAD, 6))
    way = {"scale": path.log_scale[:, None], "rotation": path.angle[:, None]}.get(scene.family, path.displacement)
    amounts[:, PARTS[scene.family]] = way[LOOK_AHEAD:] - way[:-LOOK_AHEAD]
    return amounts


def fit(readings: Sequence[Reading]) -> Array:
    """Weights [d + 1, 6] of a ridge regression on embeddings without their mean, which is 99 % of them."""
    x = np.concatenate([r.embeddings for r in readings])
    y = np.concatenate([r.truth for r in readings])
    mean = x.mean(axis=0)
    z = x - mean
    weights: Array = np.linalg.solve(z.T @ z + RIDGE * len(z) * np.eye(z.shape[1]), z.T @ (y - y.mean(axis=0)))
    return np.concatenate((weights, (y.mean(axis=0) - mean @ weights)[None]))


def judge(readings: Sequence[Reading], weights: Array) -> dict[str, dict[str, float]]:
    """Per family: error of a reading and of the whole way (six readings end to end, median), as shares of the truth."""
    result: dict[str, dict[str, float]] = {}
    for family, part in PARTS.items():
        of = [r for r in readings if r.family == family]
        if not of:
            continue
        truth = [r.truth[::LOOK_AHEAD, part] for r in of]
        read = [(_with_one(r.embeddings) @ weights)[::LOOK_AHEAD, part] for r in of]
        errors = [b - a for a, b in zip(truth, read, strict=True)]
        squares = sum(float((a**2).sum()) for a in truth)
        ends = [np.linalg.norm(e.sum(0)) / np.linalg.norm(a.sum(0)) for e, a in zip(errors, truth, strict=True)]
        result[family] = {
            "clips": len(of),
            "error": float(np.sqrt(sum(float((e**2).sum()) for e in errors) / squares)),
            "end_error": float(np.median(ends)),
            "slope": sum(float((a * b).sum()) for a, b in zip(truth, read, strict=True)) / squares,
        }
    return result


def _with_one(x: Array) -> Array:
    return np.concatenate((x, np.ones((len(x), 1))), axis=1)


def read_scenes(
    embed: Callable[[Frames], Array], count: int, seed: int, progress: Callable[[], None] = lambda: None
) -> list[Reading]:
    """Readings of the driving clips of the first `count` scenes of a seed.

    Args:
        embed: clip uint8 [25, 64, 64, 3] -> its embeddings [21, d].
        progress: called after each scene.
    """
    made = []
    for index in range(count):
        scene = draw_scene(index, seed)
        made.append(Reading(scene.family, embed(scene.driver), true_amounts(scene)))
        progress()
    return made
