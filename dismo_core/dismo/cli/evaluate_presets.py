"""`dismo evaluate presets`: ready-made moves and drawn paths on held-out pictures."""

from __future__ import annotations

import argparse
from typing import Any

from ...cli.options import add_device, check_device, progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_extractor, add_report, check_free, console, write
from .layered_options import LAYERED_NAME


def add_presets(actions: Any) -> None:
    """Register `presets`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "presets",
        help="ready-made moves and drawn paths on held-out pictures: their definition against what the video shows",
        description="Ready-made moves and drawn paths on held-out drawn pictures: velocity of the definition against that of the video.",
    )
    add_extractor(parser)
    parser.add_argument(
        "--model", default=LAYERED_NAME, help=f"{LAYERED_NAME}, or a file of such weights (default {LAYERED_NAME})"
    )
    parser.add_argument("--presets", nargs="+", metavar="NAME", help="which moves (default all); no paths then")
    parser.add_argument("--pictures", type=int, default=4, help="held-out pictures for each (default 4)")
    add_device(parser)
    add_report(parser, "presets.json", "moves and paths")
    parser.set_defaults(run=presets)


def presets(arguments: argparse.Namespace) -> None:
    """Make, measure, print, write."""
    from rich.table import Table

    from ..evaluation.preset_scores import PATHS, WANTED, medians, score_paths, score_way
    from ..preset_table import PRESETS
    from ..presets import FPS, FRAMES, motion_preset, preset
    from ..weights import load_layered_model, load_motion_extractor

    if arguments.pictures < 1:
        raise DisMoError(f"--pictures is {arguments.pictures}; there must be at least one.")
    moves = [preset(name) for name in dict.fromkeys(arguments.presets or PRESETS)]
    check_free(arguments)
    device = check_device(arguments.device)
    model = load_layered_model(arguments.model, device)
    extractor = load_motion_extractor(arguments.extractor, device)
    paths = 0 if arguments.presets else len(PATHS)
    rows: list[dict[str, Any]] = []
    shown = []
    with progress_runtime("Making and measuring videos", arguments.device) as runtime:
        done = iter(range(1, len(moves) + paths + 1))

        def count() -> None:
            runtime.progress(next(done), len(moves) + paths, None)

        for move in moves:
            motion = motion_preset(move.name, extractor)
            scores, videos = score_way(model, motion, move.way(FRAMES, FPS), move.part, arguments.pictures)
            rows.append({"name": move.name, "part": move.part} | medians(scores))
            shown.append((f"{move.name}: cosine {rows[-1]['velocity_cosine']:.3f}", videos[:2]))
            count()
        if paths:
            path_rows, path_sheet = score_paths(model, extractor, list(PATHS), arguments.pictures, count)
            rows, shown = rows + path_rows, shown + path_sheet
    table = Table(
        title=f"velocity of the video against the definition, medians of {arguments.pictures}; wanted: >= {WANTED}"
    )
    for heading in ("move", "what moves", "cosine", "lowest", "speed", "bound"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        numbers = (row[name] for name in ("velocity_cosine", "lowest_cosine", "speed_ratio", "bound"))
        low = "red" if row["velocity_cosine"] < WANTED else ""
        table.add_row(row["name"], row["part"], *(f"{number:.3f}" for number in numbers), style=low)
    console().print(table)
    write(arguments, "presets", {"wanted": WANTED, "extractor": extractor.extractor_id, "rows": rows}, shown)
