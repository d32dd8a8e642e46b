"""How much of the motion of held-out driving clips their embeddings hold: `python benchmarks/readout.py --help`. See README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.paths import FRAMES
from benchmarks.pipeline import Pipeline
from benchmarks.report import OUT, write_json
from benchmarks.scenes import SEED, Family, Scene, draw_scene

Array = NDArray[np.float64]
AHEAD = 4  # frames that an embedding looks ahead, and that a roll-out makes of it
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
    """One clip: its embeddings [21, d], and what really happens in the four frames after each [21, 6]: dx and dy of the
    thing, of the ground (px), growth (log), turn (radians)."""

    family: Family
    embeddings: Array
    truth: Array


def true_amounts(scene: Scene) -> Array:
    """[21, 6], see `Reading`."""
    path = scene.targets["same"].path
    amounts = np.zeros((FRAMES - AHEAD, 6))
    way = {"scale": path.log_scale[:, None], "rotation": path.angle[:, None]}.get(scene.family, path.displacement)
    amounts[:, PARTS[scene.family]] = way[AHEAD:] - way[:-AHEAD]
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
    result = {}
    for family, part in PARTS.items():
        of = [r for r in readings if r.family == family]
        if not of:
            continue
        truth = [r.truth[::AHEAD, part] for r in of]
        read = [(_with_one(r.embeddings) @ weights)[::AHEAD, part] for r in of]
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the clips, fit on some, judge on others, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Linear readout of true motion from embeddings of driving clips.")
    parser.add_argument("--extractor", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--fit", type=int, default=160, metavar="SCENES", help="scenes to fit on (default 160)")
    parser.add_argument("--scenes", type=int, default=64, help="scenes to judge on (default 64)")
    parser.add_argument("--out", type=Path, default=OUT / "readout.json", metavar="JSON")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 190)
    pipeline = Pipeline(options.extractor)

    def readings(count: int, seed: int) -> list[Reading]:
        made = []
        for index in track(range(count), "reading", console=console, transient=True):
            scene = draw_scene(index, seed)
            embeddings = pipeline.motion(scene.driver).embeddings.double().numpy()
            made.append(Reading(scene.family, embeddings, true_amounts(scene)))
        return made

    rows = judge(readings(options.scenes, SEED), fit(readings(options.fit, OTHER_SEED)))
    show(console, rows)
    result: dict[str, Any] = {"extractor": pipeline.extractor.extractor_id, "rows": rows}
    write_json(options.out, "readout", result)
    console.print(f"written: {options.out}")


def show(console: Console, rows: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table(title="Motion read out of embeddings by a line: errors as shares of the true motion")
    for heading in ("family", "clips", f"error of {AHEAD} frames", "error of the whole way", "slope"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    for family, row in rows.items():
        values = (f"{row[k]:.2f}" for k in ("error", "end_error", "slope"))
        table.add_row(family, str(row["clips"]), *values)
    console.print(table)


if __name__ == "__main__":
    main()
