"""Transfer quality on held-out drawn scenes: `python benchmarks/transfer.py --help`. Definitions in README.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, contact_sheet, write_json
from benchmarks.scenes import COLUMNS, CONTROLS, Frames, Scene, draw_scenes
from benchmarks.score import WANTED, Transfer, describe, met, score, summarise

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
JUDGED = ("translation", "pan")  # the families that must reach what is wanted; the others are reported
ABLATION_LIMIT = 0.3
ON_SHEET = 16  # scenes on the contact sheet

Maker = Callable[[Scene, str], Frames]


def show(console: Console, rows: dict[str, dict[str, Any]], count: int) -> None:
    """Print one table of medians per column and family; `rows` maps a row's name to its `summarise` result."""
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
            if family in JUDGED:
                table.add_row(
                    "wanted", *(WANTED[m][0] if m in WANTED else "" for m in metrics), style="bold", end_section=True
                )
            for name, values in cells.items():
                judge = name == "transfer" and family in JUDGED
                table.add_row(name, *(_cell(m, values.get(m), judge) for m in metrics), end_section=name == "transfer")
            console.print(table)


def _cell(metric: str, value: float | None, judge: bool) -> Text:
    if value is None:
        return Text("-")
    text = f"{value:.1f}" if metric.endswith(("percent", "degrees", "db")) else f"{value:.2f}"
    return Text(text, style=("green" if met(metric, value) else "red") if judge and metric in WANTED else "")


def verdict(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """{column or ablation: {family: {metric: [value, whether it is as wanted]}}}."""
    judged: dict[str, Any] = {}
    for column, families in rows.get("transfer", {}).items():
        for family in JUDGED:
            if family in families:
                values = families[family]
                judged.setdefault(column, {})[family] = {
                    m: [values[m], met(m, values[m])] for m in WANTED if m in values
                }
    for name in ("motion zeroed", "motion shuffled", "untrained extractor"):
        for family in JUDGED if name in rows else ():
            values = next(iter(rows[name].values())).get(family, {})
            judged.setdefault(name, {})[family] = {
                m: [values[m], values[m] < ABLATION_LIMIT]
                for m in ("velocity_cosine", "velocity_change_cosine")
                if m in values
            }
    return judged


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the scenes, make and score the videos, print the tables, write the files."""
    parser = argparse.ArgumentParser(
        description="Transfer quality on held-out drawn scenes, with controls and ablations."
    )
    parser.add_argument("--extractor", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--generator", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0 = the model's own")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling noise; the scenes are always the same")
    parser.add_argument("--scenes", type=int, default=64)
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--controls-only", action="store_true", help="load no model: check the measurement")
    parser.add_argument("--out", type=Path, default=OUT / "transfer.json", metavar="JSON")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="contact sheet: driver, truth, result")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 190)
    makers: dict[str, tuple[Sequence[str], Maker]] = {}  # row: columns, how its videos are made
    result: dict[str, Any] = {"count": options.scenes}
    if not options.controls_only:
        from benchmarks.pipeline import Pipeline

        pipeline = Pipeline(options.extractor, options.generator, options.device, options.steps, options.seed)
        result["extractor"] = pipeline.model.extractor_id
        makers["transfer"] = options.columns, _maker(pipeline.transfer)
        if not options.no_ablations:
            makers |= {name: (options.columns[:1], _maker(made)) for name, made in pipeline.ablations().items()}
    if not options.no_controls:
        makers |= {name: (options.columns, _control(name)) for name in CONTROLS}
    if not makers:
        parser.error("--controls-only and --no-controls leave nothing to measure")
    scenes = draw_scenes(options.scenes)

    videos: dict[str, list[dict[str, Any]]] = {}
    seconds: dict[str, float] = {}
    shown: list[tuple[str, list[Frames]]] = []  # contact sheet: some scenes of the first row
    for name, (columns, make) in makers.items():
        videos[name], seconds[name] = [], 0.0
        for scene in track(scenes, name, console=console, transient=True):
            for column in columns:
                start = time.perf_counter()
                video = make(scene, column)
                seconds[name] += time.perf_counter() - start
                scores = score(scene, column, video)
                videos[name].append(describe(scene, column) | scores)
                if name == next(iter(makers)) and column == columns[0] and scene.index < ON_SHEET:
                    caption = f"{scene.index} {scene.family}, {scene.law}: driver, truth, {name} (velocity cosine"
                    frames = [scene.driver, scene.targets[column].truth, video]
                    shown.append((f"{caption} {scores['velocity_cosine']:.2f})", frames))

    rows = {name: summarise(scores) for name, scores in videos.items()}
    show(console, rows, options.scenes)
    result |= {"verdict": verdict(rows), "rows": rows, "videos": videos}
    result["seconds_per_video"] = {name: seconds[name] / len(videos[name]) for name in videos}
    write_json(options.out, "transfer", result)
    console.print(f"written: {options.out}")
    if options.sheet:
        contact_sheet(options.sheet, shown)
        console.print(f"written: {options.sheet}")


def _maker(transfer: Transfer) -> Maker:
    return lambda scene, column: transfer(scene.driver, scene.targets[column].picture)


def _control(name: str) -> Maker:
    return lambda scene, column: scene.targets[column].controls[name]


if __name__ == "__main__":
    main()
