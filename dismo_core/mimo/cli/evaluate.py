"""`dismo mimo evaluate`: how exact insertion is, on drawn scenes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import progress_runtime
from ...errors import DisMoError

COLUMNS = (
    *("inserted", "on_video", "unhidden", "background", "levels", "flicker"),
    *("cut_released", "cut_repaired", "pixels_released", "pixels_repaired"),
)


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "evaluate",
        help="how exact insertion and crops are, on drawn scenes with known truth",
        description="Measure insertion, filling and crop plans on drawn scenes with known truth, as docs/mimo.md explains.",
    )
    parser.add_argument("--scenes", type=int, default=24, help="how many (default 24)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="JSON file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the table, write the numbers."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from ...files import atomic_write, check_free
    from ..evaluate import evaluate_insertion, goals, summary

    if arguments.scenes < 1:
        raise DisMoError(f"--scenes is {arguments.scenes}; there must be at least one.")
    if arguments.out is not None:
        check_free(arguments.out, overwrite=arguments.overwrite)
    with progress_runtime("Drawing and measuring scenes", "cpu") as runtime:
        rows = evaluate_insertion(arguments.scenes, lambda done, total: runtime.progress(done, total, None))
    found = summary(rows)
    table = Table(title=f"Insertion on {len(rows)} drawn scenes: PSNR in dB, errors in levels of 255, shares")
    table.add_column("camera")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for camera, values in found.items():
        table.add_row(camera, *(f"{values[column]:.3g}" for column in COLUMNS))
    terminal = Console(width=160)
    terminal.print(table)
    reached = goals(found)
    for goal, good in reached.items():
        terminal.print(f"{'reached' if good else 'MISSED '}  {goal}")
    if arguments.out is not None:
        content = {"summary": found, "goals": reached, "rows": [asdict(row) for row in rows]}
        with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
            temporary.write_text(json.dumps(content, indent=1), "utf-8")
