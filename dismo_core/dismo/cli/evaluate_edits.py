"""`dismo evaluate edits`: edited and mixed motions on held-out drawn scenes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_models, add_report, add_sampling, check_free, console, load_pipeline, write

if TYPE_CHECKING:
    from rich.table import Table


def add_edits(actions: Any) -> None:
    """Register `edits`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "edits",
        help="edited and mixed motions on drawn scenes: expected against generated velocity",
        description="Edited and mixed motions on held-out drawn scenes: expected against generated velocity.",
    )
    add_models(parser)
    add_sampling(parser)
    parser.add_argument(
        "--scenes", type=int, default=32, help="of which three in four are translations and pans (default 32)"
    )
    parser.add_argument("--edits", nargs="+", metavar="EDIT", help="by name, as in the table (default all)")
    add_report(parser, "edits.json", "edited, unedited")
    parser.set_defaults(run=edits)


def edits(arguments: argparse.Namespace) -> None:
    """Draw the scenes, edit their motions, make and measure the videos, print the table, write the files."""
    from ...synthetic.held_out.scenes import draw_scenes
    from ..evaluation.edits import EDITS, GOOD, compare_edits, experimental, pairs, summarise

    names = arguments.edits or list(EDITS)
    if unknown := [name for name in names if name not in EDITS]:
        raise DisMoError(f"There is no edit {unknown[0]!r}. Choose of: {'; '.join(EDITS)}.")
    scenes = draw_scenes(max(0, arguments.scenes))
    if not pairs(scenes):
        raise DisMoError(f"--scenes is {arguments.scenes}; there must be at least one.")
    check_free(arguments)
    pipeline = load_pipeline(arguments)
    with progress_runtime("Making and measuring videos", arguments.device) as runtime:
        rows, shown = compare_edits(pipeline, scenes, names, lambda done, total: runtime.progress(done, total, None))
    summary, count = summarise(rows), len(pairs(scenes))
    console().print(_table(summary, count))
    low = experimental(summary)
    print(f"Below {GOOD}: {', '.join(low) or 'none'}.")
    about = {"extractor": pipeline.model.extractor_id, "count": count}
    write(arguments, "edits", about | {"experimental": low, "summary": summary, "videos": rows}, shown)


def _table(summary: dict[str, dict[str, dict[str, float]]], count: int) -> Table:
    from rich.table import Table

    from ..evaluation.edits import FAMILIES, GOOD

    table = Table(title=f"expected against generated velocity, medians of {count} scenes; wanted: cosine >= {GOOD}")
    table.add_column("edit", no_wrap=True)
    for family in (*FAMILIES, "all"):
        for heading in ("cosine", "unedited", "speed"):
            table.add_column(f"{family}\n{heading}", justify="right")
    for name, families in summary.items():
        values = [f"{value:.2f}" for family in families.values() for value in family.values()]
        table.add_row(name, *values, style="" if families["all"]["velocity_cosine"] >= GOOD else "red")
    return table
