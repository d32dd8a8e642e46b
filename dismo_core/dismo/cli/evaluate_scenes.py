"""`dismo evaluate scenes`: motion transfer on held-out drawn scenes, with controls and ablations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_models, add_report, add_sampling, check_free, console, load_pipeline, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...evaluation.scene_scores import Maker

COLUMNS = ("same", "elsewhere")


def add_scenes(actions: Any) -> None:
    """Register `scenes`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "scenes",
        help="motion transfer on held-out drawn scenes, against the known truth",
        description="Transfer quality on held-out drawn scenes, with controls and ablations. docs/evaluation.md defines the metrics.",
    )
    add_models(parser)
    add_sampling(parser)
    parser.add_argument("--scenes", type=int, default=64, help="how many (default 64)")
    parser.add_argument(
        "--columns",
        nargs="+",
        choices=COLUMNS,
        default=list(COLUMNS),
        help="where the target's object starts: as the driver's does, or elsewhere (default both)",
    )
    parser.add_argument("--no-ablations", action="store_true", help="leave out transfers that should not work")
    parser.add_argument("--no-controls", action="store_true", help="leave out drawn videos that are known to be wrong")
    parser.add_argument("--controls-only", action="store_true", help="load no model: check the measurement")
    add_report(parser, "scenes.json", "driver, truth, result")
    parser.set_defaults(run=scenes)


def scenes(arguments: argparse.Namespace) -> None:
    """Draw the scenes, make and score the videos, print the tables, write the files."""
    from ...evaluation.scene_scores import GOALS, by_control, by_transfer, score_scenes, tables, verdict
    from ...synthetic.held_out.scenes import CONTROLS, draw_scenes
    from ..evaluation.layered_rows import LAYERED_GOALS, optical_flow, true_motion

    if arguments.controls_only and arguments.no_controls:
        raise DisMoError("--controls-only and --no-controls leave nothing to measure. Leave one of them out.")
    if arguments.controls_only:
        refuse(
            arguments,
            ("extractor", "model", "device", "steps", "seed", "no_ablations"),
            "does not go with --controls-only, which loads no model.",
        )
    if arguments.scenes < 1:
        raise DisMoError(f"--scenes is {arguments.scenes}; there must be at least one.")
    check_free(arguments)
    makers: dict[str, tuple[Sequence[str], Maker]] = {}
    result: dict[str, Any] = {"count": arguments.scenes}
    goals = GOALS
    if not arguments.controls_only:
        pipeline = load_pipeline(arguments)
        result["extractor"] = pipeline.model.extractor_id
        makers["transfer"] = arguments.columns, pipeline.with_mask
        if pipeline.layered is not None:
            goals = LAYERED_GOALS
            makers["mask found"] = arguments.columns, by_transfer(pipeline.transfer)
        if not arguments.no_ablations:
            makers |= {name: (arguments.columns[:1], made) for name, made in pipeline.ablations().items()}
    if not arguments.no_controls:
        makers |= {name: (arguments.columns, by_control(name)) for name in CONTROLS}
        if goals is LAYERED_GOALS:
            makers |= {
                "true motion, layered": (arguments.columns, true_motion),
                "optical flow of the driver": (arguments.columns, optical_flow),
            }
    drawn = draw_scenes(arguments.scenes)
    with progress_runtime("Making and scoring videos", arguments.device) as runtime:
        found = score_scenes(drawn, makers, lambda done, total: runtime.progress(done, total, None))
    terminal = console()
    for table in tables(found.rows, arguments.scenes, goals):
        terminal.print(table)
    result |= {"verdict": verdict(found.rows, goals), "rows": found.rows, "videos": found.videos}
    write(arguments, "scenes", result | {"seconds_per_video": found.seconds}, found.shown)
