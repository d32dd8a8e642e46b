"""Videos for the held-out scenes, made in several ways and scored beside each other: rows, tables, and whether they are as wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import DisMoError
from ..synthetic.held_out.scenes import CONTROLS, Frames, Scene
from .score import WANTED, Goal, Transfer, describe, met, score, summarise

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

HEADINGS = {
    "displacement_cosine": "displ. cos",
    "velocity_cosine": "velocity cos",
    "velocity_cosine_changing": "... changing",
    "velocity_cosine_smooth": "... smooth",
    "velocity_change_cosine": "v change cos",
    "end_point_error_percent": "path err %",
    "end_error_percent": "end err %",
    "factor_error_percent": "factor err %",
    "end_factor_error_percent": "end factor err %",
    "angle_error_degrees": "angle err deg",
    "end_angle_error_degrees": "end angle err deg",
    "psnr_gain_db": "PSNR gain dB",
    "area_ratio": "area",
    "sharpness_ratio": "sharpness",
    "color_ratio": "color",
}
Goals = Mapping[str, Mapping[str, Mapping[str, Goal]]]
"""Row -> family -> metric -> what is wanted of it; what is not in it is reported."""
GOALS: Goals = {"transfer": {"translation": WANTED, "pan": WANTED}}
ABLATION_LIMIT = 0.3
ON_SHEET = 16  # scenes on the contact sheet

Maker = Callable[[Scene, str], Frames]
"""(scene, column) -> video uint8 [25, 64, 64, 3]."""
ABLATIONS = ("motion zeroed", "motion shuffled", "untrained extractor")


@dataclass
class SceneScores:
    """What was measured.

    Args:
        rows: medians [row][column][family][metric].
        videos: of each row, the scores of each video.
        seconds: a video of each row took to make.
        shown: (caption, [driver, truth, video]) of some scenes of the first row, for a contact sheet.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    videos: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    shown: list[tuple[str, list[Frames]]] = field(default_factory=list)


def by_transfer(transfer: Transfer) -> Maker:
    """Videos made by a model."""
    return lambda scene, column: transfer(scene.driver, scene.targets[column].picture)


def by_control(name: str) -> Maker:
    """Videos that a measurement must tell from a transfer: one of `CONTROLS`."""
    if name not in CONTROLS:
        raise DisMoError(f"There is no control {name!r}. Choose one of: {', '.join(CONTROLS)}.")
    return lambda scene, column: scene.targets[column].controls[name]


def score_scenes(
    scenes: Sequence[Scene],
    makers: Mapping[str, tuple[Sequence[str], Maker]],
    progress: Callable[[int, int], None] | None = None,
) -> SceneScores:
    """Make and score the videos of each row.

    Args:
        scenes: from `draw_scenes`.
        makers: name of a row -> the columns it is made for, and how its videos are made.
        progress: called with (videos done, in all).
    """
    found = SceneScores()
    total = len(scenes) * sum(len(columns) for columns, _ in makers.values())
    done = 0
    for name, (columns, make) in makers.items():
        found.videos[name] = []
        spent = 0.0
        for scene in scenes:
            for column in columns:
                start = time.perf_counter()
                video = make(scene, column)
                spent += time.perf_counter() - start
                scores = score(scene, column, video)
                found.videos[name].append(describe(scene, column) | scores)
                if name == next(iter(makers)) and column == columns[0] and scene.index < ON_SHEET:
                    caption = f"{scene.index} {scene.family}, {scene.law}: driver, truth, {name} (velocity cosine"
                    frames = [scene.driver, scene.targets[column].truth, video]
                    found.shown.append((f"{caption} {scores['velocity_cosine']:.2f})", frames))
                done += 1
                if progress is not None:
                    progress(done, total)
        found.seconds[name] = spent / len(found.videos[name])
        found.rows[name] = summarise(found.videos[name])
    return found


def tables(rows: Mapping[str, dict[str, Any]], count: int, goals: Goals = GOALS) -> Iterator[Table]:
    """One table of medians per column and family.

    Args:
        rows: name of a row -> its `summarise` result.
        count: of the scenes.
        goals: what is wanted; a line above each row that has some.
    """
    from rich.table import Table

    first = next(iter(rows.values()))
    for column in first:
        for family in sorted(first[column], key=("translation", "pan", "scale", "rotation").index):
            cells = {name: summary[column][family] for name, summary in rows.items() if column in summary}
            metrics = [m for m in HEADINGS if any(m in c for c in cells.values())]
            table = Table(
                title=f"{family}, target starts {'where the driver does' if column == 'same' else 'elsewhere'} "
                f"(median of {cells[next(iter(cells))]['scenes']} of {count} scenes)"
            )
            table.add_column("video", no_wrap=True)
            for metric in metrics:
                table.add_column(HEADINGS[metric], justify="right")
            for name, values in cells.items():
                wanted = goals.get(name, {}).get(family, {})
                if wanted:
                    texts = (wanted[m][0] if m in wanted else "" for m in metrics)
                    table.add_row("wanted", *texts, style="bold", end_section=True)
                judged = (_cell(m, values.get(m), wanted) for m in metrics)
                table.add_row(name, *judged, end_section=bool(wanted) or name == "transfer")
            yield table


def _cell(metric: str, value: float | None, wanted: Mapping[str, Goal]) -> Text:
    from rich.text import Text

    if value is None:
        return Text("-")
    text = f"{value:.1f}" if metric.endswith(("percent", "degrees", "db")) else f"{value:.2f}"
    return Text(text, style=("green" if met(metric, value, wanted) else "red") if metric in wanted else "")


def verdict(rows: Mapping[str, dict[str, Any]], goals: Goals = GOALS) -> dict[str, Any]:
    """{column, row and column, or ablation: {family: {metric: [value, whether it is as wanted]}}}."""
    judged: dict[str, Any] = {}
    for name, families in goals.items():
        for column, found in rows.get(name, {}).items():
            label = column if name == "transfer" else f"{name}, {column}"
            for family, wanted in families.items():
                values = found.get(family, {})
                scored = {m: [values[m], met(m, values[m], wanted)] for m in wanted if m in values}
                if scored:
                    judged.setdefault(label, {})[family] = scored
    for name in ABLATIONS:
        for family in GOALS["transfer"] if name in rows else ():
            values = next(iter(rows[name].values())).get(family, {})
            judged.setdefault(name, {})[family] = {
                m: [values[m], values[m] < ABLATION_LIMIT]
                for m in ("velocity_cosine", "velocity_change_cosine")
                if m in values
            }
    return judged
