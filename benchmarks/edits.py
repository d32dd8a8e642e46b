"""Edited and mixed motions on held-out drawn scenes: `python benchmarks/edits.py --help`. Definitions in README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure
from benchmarks.report import OUT, contact_sheet, write_json
from benchmarks.scenes import SIZE, Frames, Scene, Stage, draw_scenes
from benchmarks.score import velocity_cosine
from dismo_core.dismo import edit as motion_edit

if TYPE_CHECKING:
    from benchmarks.pipeline import Pipeline
    from dismo_core import Motion

Array = NDArray[np.float64]
Maker = Callable[["Motion", Frames], Frames]
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
    "blend, balance 0.25": Edit(lambda m, o: motion_edit.blend(m, o, 0.25), lambda v, w: 0.75 * v + 0.25 * w),
    "blend, balance 0.5": Edit(lambda m, o: motion_edit.blend(m, o, 0.5), lambda v, w: 0.5 * v + 0.5 * w),
}


def placed(scene: Scene, velocity: Array) -> Stage:
    """The scene's target, its object moved to where the way of `velocity` [T, 2] fits best into the picture."""
    stage = scene.targets["same"].stage
    if scene.family == "pan" or stage.thing is None:
        return stage
    way = np.concatenate([np.zeros((1, 2)), np.cumsum(velocity, 0)])
    margin = stage.thing.radius * stage.thing.reach + 0.5
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


def remembering(make: Maker) -> Maker:
    """`make`, but one video is made once: most unedited ones recur."""
    videos: dict[tuple[bytes, bytes], Frames] = {}

    def remembered(motion: Motion, picture: Frames) -> Frames:
        key = motion.embeddings.numpy().tobytes(), picture.tobytes()
        if key not in videos:
            videos[key] = make(motion, picture)
        return videos[key]

    return remembered


def compare(
    pipeline: Pipeline, make: Maker, scene: Scene, other: Scene, name: str
) -> tuple[dict[str, Any], list[Frames]]:
    """One edit on one pair of scenes: scores, and the videos of the edited and of the unedited motion."""
    edit = EDITS[name]
    motion, second = pipeline.motion(scene.driver), pipeline.motion(other.driver)
    expected = edit.velocity(*(np.diff(s.targets["same"].path.displacement, axis=0) for s in (scene, other)))
    picture, mask = (frames[0] for frames in placed(scene, expected).film(scene.targets["same"].path.still))
    edited = edit.motion(motion, second)
    assert edited.frames == len(expected) + 1, name
    made = [make(m, picture) for m in (edited, motion.trimmed(edited.frames))]
    measured, unedited = (velocities(scene, video, picture, mask) for video in made)
    scores = {
        "velocity_cosine": velocity_cosine(expected, measured),
        "unedited_cosine": velocity_cosine(expected, unedited),
        "speed_ratio": speed_ratio(expected, measured),
    }
    return {"edit": name, "index": scene.index, "other": other.index, "family": scene.family} | scores, made


def pairs(scenes: Sequence[Scene]) -> list[tuple[Scene, Scene]]:
    """Each scene where a thing or the ground travels, with the next one of its family."""
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


def show(console: Console, summary: dict[str, dict[str, dict[str, float]]], count: int) -> None:
    """Print one table of medians."""
    table = Table(title=f"expected against generated velocity, medians of {count} scenes; wanted: cosine >= {GOOD}")
    table.add_column("edit", no_wrap=True)
    for family in (*FAMILIES, "all"):
        for heading in ("cosine", "unedited", "speed"):
            table.add_column(f"{family}\n{heading}", justify="right")
    for name, families in summary.items():
        values = [f"{value:.2f}" for family in families.values() for value in family.values()]
        table.add_row(name, *values, style="" if families["all"]["velocity_cosine"] >= GOOD else "red")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the scenes, edit their motions, make and measure the videos, print the table, write the files."""
    parser = argparse.ArgumentParser(description="Edited and mixed motions: expected against generated velocity.")
    parser.add_argument("--extractor", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--generator", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0 = the model's own")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling noise; the scenes are always the same")
    parser.add_argument("--scenes", type=int, default=32, help="of which three in four are translations and pans")
    parser.add_argument("--edits", nargs="+", choices=EDITS, default=list(EDITS), metavar="EDIT")
    parser.add_argument("--out", type=Path, default=OUT / "edits.json", metavar="JSON")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="contact sheet: edited, unedited")
    options = parser.parse_args(arguments)
    from benchmarks.pipeline import Pipeline

    console = Console(width=None if sys.stdout.isatty() else 150)
    pipeline = Pipeline(options.extractor, options.generator, options.device, options.steps, options.seed)
    make = remembering(pipeline.make)
    couples = pairs(draw_scenes(options.scenes))
    rows: list[dict[str, Any]] = []
    shown: list[tuple[str, list[Frames]]] = []
    for name in options.edits:
        for i, (scene, other) in enumerate(track(couples, name, console=console, transient=True)):
            row, videos = compare(pipeline, make, scene, other, name)
            rows.append(row)
            if i % max(1, len(couples) // ON_SHEET) == 0:
                shown.append((f"{name}, {scene.index} {scene.family} (cosine {row['velocity_cosine']:.2f})", videos))
    summary = summarise(rows)
    show(console, summary, len(couples))
    experimental = [name for name, families in summary.items() if families["all"]["velocity_cosine"] < GOOD]
    about = {"extractor": pipeline.model.extractor_id, "count": len(couples)}
    write_json(options.out, "edits", about | {"experimental": experimental, "summary": summary, "videos": rows})
    console.print(f"below {GOOD}: {', '.join(experimental) or 'none'}\nwritten: {options.out}")
    if options.sheet:
        contact_sheet(options.sheet, shown)
        console.print(f"written: {options.sheet}")


if __name__ == "__main__":
    main()
