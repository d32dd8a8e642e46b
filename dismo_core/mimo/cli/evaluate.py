"""`dismo mimo evaluate`: how exact insertion is, or how good a network, on drawn scenes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from ...errors import DisMoError

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    *("inserted", "on_video", "unhidden", "stored", "codec", "background", "levels", "flicker"),
    *("cut_released", "cut_repaired", "pixels_released", "pixels_repaired"),
)


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "evaluate",
        help="how exact insertion and crops are, on drawn scenes with known truth",
        description="Measure insertion, filling and crop plans on drawn scenes with known truth, as docs/mimo.md explains.",
    )
    parser.add_argument(
        "--weights",
        metavar="PLACE",
        help="measure this network in place of insertion: tiny (bundled), or the folder of a run of `dismo mimo train tiny`",
    )
    parser.add_argument("--scenes", type=int, help="how many (default 24, of a network 64)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="JSON file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the table, write the numbers."""
    import json

    from rich.console import Console

    from ...files import atomic_write, check_free

    least = 1 if arguments.weights is None else 16
    if arguments.scenes is not None and arguments.scenes < least:
        raise DisMoError(f"--scenes is {arguments.scenes}; there must be at least {least}.")
    if arguments.out is not None:
        check_free(arguments.out, overwrite=arguments.overwrite)
    measure = _insertion if arguments.weights is None else _network
    table, reached, content = measure(arguments)
    terminal = Console(width=160)
    terminal.print(table)
    for goal, good in reached.items():
        terminal.print(f"{'reached' if good else 'MISSED '}  {goal}")
    if arguments.out is not None:
        with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
            temporary.write_text(json.dumps(content | {"goals": reached}, indent=1), "utf-8")


def _insertion(arguments: argparse.Namespace) -> tuple[Table, dict[str, bool], dict[str, Any]]:
    from dataclasses import asdict

    from rich.table import Table

    from ..evaluate import evaluate_insertion, goals, summary

    with progress_runtime("Drawing and measuring scenes", "cpu") as runtime:
        rows = evaluate_insertion(arguments.scenes or 24, lambda done, total: runtime.progress(done, total, None))
    found = summary(rows)
    table = Table(title=f"Insertion on {len(rows)} drawn scenes: PSNR in dB, errors in levels of 255, shares")
    table.add_column("camera")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for camera, values in found.items():
        table.add_row(camera, *(f"{values[column]:.3g}" for column in COLUMNS))
    return table, goals(found), {"summary": found, "rows": [asdict(row) for row in rows]}


def _network(arguments: argparse.Namespace) -> tuple[Table, dict[str, bool], dict[str, Any]]:
    from dataclasses import asdict

    from rich.table import Table

    from ..evaluate_network import evaluate_network, goals
    from ..load_pipeline import load_mimo

    count = arguments.scenes or 64
    with progress_runtime("Making and measuring scenes", "cpu") as runtime:
        pipeline = load_mimo(arguments.weights)
        scores = evaluate_network(pipeline, count, progress=lambda done, total: runtime.progress(done, total, None))
    table = Table(title=f"The network on {count} drawn scenes that it has not seen")
    for column in ("", "silhouette IoU", "reference found", "edit PSNR, dB"):
        table.add_column(column, justify="right" if column else "left")
    for way, score in scores.items():
        shown = (score.iou, score.retrieved, score.psnr)
        table.add_row(way, *("" if value is None else f"{value:.3g}" for value in shown))
    return table, goals(scores), {"scenes": count, "scores": {way: asdict(score) for way, score in scores.items()}}
