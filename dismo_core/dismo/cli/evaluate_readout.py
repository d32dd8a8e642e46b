"""`dismo evaluate readout`: how much of a motion its embeddings hold, which no generator can exceed by much."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_extractor, add_report, check_free, console, write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table


def add_readout(actions: Any) -> None:
    """Register `readout`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "readout",
        help="how much of the motion of drawn clips a line finds in their embeddings",
        description="Linear readout of true motion from embeddings of held-out driving clips.",
    )
    add_extractor(parser)
    parser.add_argument("--fit", type=int, default=160, metavar="SCENES", help="scenes to fit on (default 160)")
    parser.add_argument("--scenes", type=int, default=64, help="scenes to judge on (default 64)")
    add_report(parser, "readout.json")
    parser.set_defaults(run=readout)


def readout(arguments: argparse.Namespace) -> None:
    """Read the clips, fit on some, judge on others, print the table, write the JSON."""
    import torch

    from ...synthetic.held_out.scenes import SEED, Frames
    from ..evaluation.pipeline import FPS
    from ..evaluation.readout import OTHER_SEED, fit, judge, read_scenes
    from ..extract import extract_motion
    from ..weights import load_motion_extractor

    if min(arguments.fit, arguments.scenes) < 1:
        raise DisMoError(f"--fit is {arguments.fit} and --scenes {arguments.scenes}; both must be at least 1.")
    check_free(arguments)
    extractor = load_motion_extractor(arguments.extractor)

    def embed(clip: Frames) -> NDArray[np.float64]:
        motion = extract_motion(extractor, torch.from_numpy(clip), fps=FPS, frames=len(clip))
        return motion.embeddings.double().numpy()

    total = arguments.fit + arguments.scenes
    with progress_runtime("Reading motions", "cpu") as runtime:
        done = iter(range(1, total + 1))

        def progress() -> None:
            runtime.progress(next(done), total, None)

        judged = read_scenes(embed, arguments.scenes, SEED, progress)
        fitted = read_scenes(embed, arguments.fit, OTHER_SEED, progress)
    rows = judge(judged, fit(fitted))
    console().print(_table(rows))
    write(arguments, "readout", {"extractor": extractor.extractor_id, "rows": rows})


def _table(rows: dict[str, dict[str, float]]) -> Table:
    from rich.table import Table

    from ..motion import LOOK_AHEAD

    table = Table(title="Motion read out of embeddings by a line: errors as shares of the true motion")
    for heading in ("family", "clips", f"error of {LOOK_AHEAD} frames", "error of the whole way", "slope"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    for family, row in rows.items():
        values = (f"{row[k]:.2f}" for k in ("error", "end_error", "slope"))
        table.add_row(family, str(row["clips"]), *values)
    return table
