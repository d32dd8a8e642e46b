"""`dismo evaluate families`: what embeddings know of motion and of appearance, on drawn clips."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_extractor, add_report, check_free, console, write

if TYPE_CHECKING:
    from rich.table import Table


def add_families(actions: Any) -> None:
    """Register `families`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "families",
        help="motion families and appearances in the embeddings of drawn clips",
        description="Nearest neighbours and an appearance probe on held-out drawn clips of seven motion families.",
    )
    add_extractor(parser)
    parser.add_argument(
        "--each", type=int, default=8, help="clips of each family in each appearance, at least 1 (default 8)"
    )
    parser.add_argument("--appearances", type=int, default=8, help="how many, at least 2 (default 8)")
    add_report(parser, "families.json", "a clip of each family in two appearances")
    parser.set_defaults(run=families)


def families(arguments: argparse.Namespace) -> None:
    """Draw, embed, classify, print the table, write the files."""
    from ...evaluation.disentangle import require_scikit_learn
    from ...synthetic.held_out.families import draw_clips
    from ..evaluation.family_probes import makers, probe_families, report
    from ..weights import load_motion_extractor

    if arguments.each < 1 or arguments.appearances < 2:
        raise DisMoError(
            f"--each is {arguments.each} and --appearances {arguments.appearances}; give at least 1 clip and 2 appearances."
        )
    check_free(arguments)
    require_scikit_learn()
    extractor = load_motion_extractor(arguments.extractor)
    clips, names, appearances = draw_clips(arguments.each, arguments.appearances)
    with progress_runtime("Embedding clips", "cpu") as runtime:
        rows = probe_families(
            clips, names, appearances, makers(extractor), lambda done, total: runtime.progress(done, total, None)
        )
    console().print(_table(rows, len(clips), 1 / arguments.appearances))
    result = {"extractor": extractor.extractor_id, **report(rows, len(clips), arguments.appearances)}
    blocks = [
        (f"{names[i]}, {appearances[i]}", [clips[i]])
        for i in range(0, len(clips), arguments.each)
        if appearances[i] in ("appearance 0", "appearance 1")
    ]
    write(arguments, "families", result, blocks, every=2)


def _table(rows: dict[str, dict[str, Any]], clips: int, chance: float) -> Table:
    from rich.table import Table

    from ...evaluation.knn import NEIGHBOURS
    from ...synthetic.held_out.families import CLIP_FRAMES, FAMILIES
    from ..evaluation.family_probes import WANTED_ABOVE_CHANCE, WANTED_NEIGHBOURS

    table = Table(title=f"{clips} clips, {CLIP_FRAMES} frames each: % right")
    table.add_column("vectors")
    for heading in (f"{NEIGHBOURS}-NN, all", *FAMILIES, "appearance probe"):
        table.add_column(heading, justify="right")
    wanted = (f">= {100 * WANTED_NEIGHBOURS:.0f}", *("",) * len(FAMILIES))
    table.add_row("wanted", *wanted, f"<= {100 * (chance + WANTED_ABOVE_CHANCE):.1f}", style="bold", end_section=True)
    for name, row in rows.items():
        shares = [row["knn"], *(row["knn_by_family"][f] for f in FAMILIES), row["appearance_probe"]]
        table.add_row(name, *(f"{100 * share:.1f}" for share in shares))
    return table
