"""Edited and mixed motions on held-out scenes: expected against generated velocity (docs/evaluation.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...evaluation import measure
from ...evaluation.score import velocity_cosine
from ...synthetic.held_out.scenes import SIZE, Frames, Scene, Stage
from ...synthetic.held_out.shapes import room
from .. import edit as motion_edit
from ..curve import Curve

if TYPE_CHECKING:
    from ..motion import Motion
    from .pipeline import Pipeline

Array = NDArray[np.float64]
Make = Callable[["Motion", Frames, "Array | None"], Frames]
"""(motion, picture, mask of the thing that moves in it) -> video."""
GOOD = 0.7  # an edit whose median velocity cosine is below this is marked experimental in its node
FAMILIES = ("translation", "pan")
ON_SHEET = 2  # scenes of each edit on the contact sheet


@dataclass(frozen=True)
class Edit:
    """An edit of one or two motions, and of their velocities.

    Args:
        motion: (motion, other motion) -> edited motion.
        velocity: (velocities [24, 2], other's [24, 2]) -> those that the edited motion should show, px a step.
    """

    motion: Callable[[Motion, Motion], Motion]
    velocity: Callable[[Array, Array], Array]


def _crossfaded(a: Array, b: Array, steps: int) -> Array:
    """`b` after `a`, the last `steps` of `a` turning into the first of `b`."""
    share = (np.arange(1, steps + 1) / (steps + 1))[:, None]
    turn = (1 - share) * a[len(a) - steps :] + share * b[:steps]
    return np.concatenate([a[: len(a) - steps], turn, b[steps:]])


STILL = np.zeros((8, 2))
CURVE = Curve(((0, 1.0), (12, 0.2), (24, 1.0))).values(25)
EDITS = {
    "no edit": Edit(lambda m, o: m, lambda v, w: v),
    "trim: frames 8 to 24": Edit(lambda m, o: m.trimmed(17, 8), lambda v, w: v[8:]),
    "loop: 13 frames twice": Edit(
        lambda m, o: motion_edit.loop(m.trimmed(13), 2), lambda v, w: np.tile(v[:12], (2, 1))
    ),
    "hold: 8 more at frame 8": Edit(
        lambda m, o: motion_edit.hold(m.trimmed(17), 8, 8),
        lambda v, w: np.concatenate([v[:8], np.repeat(v[8:12].mean(0)[None], 8, 0), v[8:16]]),
    ),
    "pause: 8 at frame 8": Edit(
        lambda m, o: motion_edit.pause(m.trimmed(17), 8, 8), lambda v, w: np.concatenate([v[:8], STILL, v[8:16]])
    ),
    "concatenate: 13 and 13 frames": Edit(
        lambda m, o: motion_edit.chain([m.trimmed(13), o.trimmed(13)]), lambda v, w: np.concatenate([v[:12], w[:12]])
    ),
    "chain: 15 and 15, crossfade 4": Edit(
        lambda m, o: motion_edit.chain([m.trimmed(15), o.trimmed(15)], 4), lambda v, w: _crossfaded(v[:14], w[:14], 4)
    ),
    "reverse order": Edit(
        lambda m, o: motion_edit.reverse_order(m),
        lambda v, w: np.concatenate([[v[i : i + 4].mean(0) for i in range(20, -1, -1)], v[1:4]]),
    ),
    "strength 0.5": Edit(lambda m, o: m.with_strength(0.5), lambda v, w: 0.5 * v),
    "strength 1.5": Edit(lambda m, o: m.with_strength(1.5), lambda v, w: 1.5 * v),
    "strength over time: 1, 0.2, 1": Edit(
        lambda m, o: m.scaled(CURVE), lambda v, w: v * np.array(CURVE[: len(v)])[:, None]
    ),
    "blend, balance 0.25": Edit(lambda m, o: motion_edit.blend(m, o, 0.25), lambda v, w: 0.75 * v + 0.25 * w),
    "blend, balance 0.5": Edit(lambda m, o: motion_edit.blend(m, o, 0.5), lambda v, w: 0.5 * v + 0.5 * w),
}


def placed(scene: Scene, velocity: Array) -> Stage:
    """The scene's target, its object moved to where the way of `velocity` [T, 2] fits best into the picture."""
    stage = scene.targets["same"].stage
    if scene.family == "pan" or stage.object is None:
        return stage
    way = np.concatenate([np.zeros((1, 2)), np.cumsum(velocity, 0)])
    margin = float(stage.object.radius) * room(stage.object) + 0.5
    low, high = margin - way.min(0), SIZE - 1 - margin - way.max(0)
    return replace(stage, start=np.where(low <= high, np.clip(stage.start, low, high), (low + high) / 2))


def velocities(scene: Scene, video: Frames, picture: Frames, mask: Array) -> Array:
    """Measured velocities [T - 1, 2] of the object, or of the ground for a pan, px a step; 0 where the object is lost."""
    if scene.family == "pan":
        return np.diff(measure.track_ground(video), axis=0)
    track = measure.track_object(video, picture, mask)
    return np.asarray(np.diff(track.displacement, axis=0) * (track.found[1:] & track.found[:-1])[:, None])


def speed_ratio(true: Array, measured: Array) -> float:
    """Measured speed along the expected velocities, of the expected one: sum(v . v') / sum(v . v)."""
    return float((true * measured).sum() / max((true**2).sum(), 1e-12))


def remembering(make: Make) -> Make:
    """`make`, but one video is made once: most unedited ones recur."""
    videos: dict[tuple[bytes, bytes], Frames] = {}

    def remembered(motion: Motion, picture: Frames, mask: Array | None) -> Frames:
        key = motion.embeddings.numpy().tobytes(), picture.tobytes()
        if key not in videos:
            videos[key] = make(motion, picture, mask)
        return videos[key]

    return remembered


def compare(
    pipeline: Pipeline, make: Make, scene: Scene, other: Scene, name: str
) -> tuple[dict[str, Any], list[Frames]]:
    """One edit on one pair of scenes: scores, and the videos of the edited and of the unedited motion."""
    edit = EDITS[name]
    motion, second = pipeline.motion(scene.driver), pipeline.motion(other.driver)
    expected = edit.velocity(*(np.diff(s.targets["same"].path.displacement, axis=0) for s in (scene, other)))
    picture, mask = (frames[0] for frames in placed(scene, expected).render(scene.targets["same"].path.still))
    edited = edit.motion(motion, second)
    assert edited.frames == len(expected) + 1, name
    thing = None if scene.family == "pan" else mask
    made = [make(m, picture, thing) for m in (edited, motion.trimmed(edited.frames))]
    measured, unedited = (velocities(scene, video, picture, mask) for video in made)
    scores = {
        "velocity_cosine": velocity_cosine(expected, measured),
        "unedited_cosine": velocity_cosine(expected, unedited),
        "speed_ratio": speed_ratio(expected, measured),
    }
    return {"edit": name, "index": scene.index, "other": other.index, "family": scene.family} | scores, made


def pairs(scenes: Sequence[Scene]) -> list[tuple[Scene, Scene]]:
    """Each scene where an object or the ground travels, with the next one of its family."""
    found = []
    for family in FAMILIES:
        group = [scene for scene in scenes if scene.family == family]
        found += list(zip(group, group[1:] + group[:1], strict=True))
    return found


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians [edit][family or "all"][score]."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for name in dict.fromkeys(row["edit"] for row in rows):
        for family in (*FAMILIES, "all"):
            group = [row for row in rows if row["edit"] == name and family in (row["family"], "all")]
            summary.setdefault(name, {})[family] = {
                score: float(np.median([row[score] for row in group]))
                for score in ("velocity_cosine", "unedited_cosine", "speed_ratio")
            }
    return summary


def compare_edits(
    pipeline: Pipeline,
    scenes: Sequence[Scene],
    names: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[tuple[str, list[Frames]]]]:
    """Each edit on each pair of scenes.

    Args:
        pipeline: what makes the motions and the videos.
        scenes: from `draw_scenes`.
        names: of `EDITS`.
        progress: called with (comparisons done, in all).

    Returns:
        The scores of each comparison, and of a few (caption, [edited, unedited video]) for a contact sheet.
    """
    make = remembering(pipeline.make)
    couples = pairs(scenes)
    rows: list[dict[str, Any]] = []
    shown: list[tuple[str, list[Frames]]] = []
    for name in names:
        for number, (scene, other) in enumerate(couples):
            row, videos = compare(pipeline, make, scene, other, name)
            rows.append(row)
            if number % max(1, len(couples) // ON_SHEET) == 0:
                shown.append((f"{name}, {scene.index} {scene.family} (cosine {row['velocity_cosine']:.2f})", videos))
            if progress is not None:
                progress(len(rows), len(names) * len(couples))
    return rows, shown


def experimental(summary: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """The edits whose median cosine over all scenes is below `GOOD`."""
    return [name for name, families in summary.items() if families["all"]["velocity_cosine"] < GOOD]
