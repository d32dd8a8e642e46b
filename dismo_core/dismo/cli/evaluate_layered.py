"""`dismo evaluate masks` and `dismo evaluate drift`: the segmenter, and long videos, of the layered model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import add_device, check_device, progress_runtime
from ...errors import DisMoError
from .evaluation_options import add_extractor, add_report, check_free, console, write
from .layered_options import LAYERED_NAME

if TYPE_CHECKING:
    from ...synthetic.held_out.scenes import Frames
    from ..motion import Motion


def add_masks(actions: Any) -> None:
    """Register `masks`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "masks",
        help="what the segmenter finds in held-out drawn pictures and two photographs",
        description="Overlap (intersection over union) of found and true masks on held-out drawn pictures and two photographs.",
    )
    _add_model(parser)
    parser.add_argument("--scenes", type=int, default=64, help="drawn scenes (default 64)")
    add_device(parser)
    add_report(parser, "masks.json", "picture, what was found")
    parser.set_defaults(run=masks)


def add_drift(actions: Any) -> None:
    """Register `drift`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "drift",
        help="how far the layered model drifts over 25, 49 and 121 frames",
        description="Distance of the read from the true place at the end of drawn clips of 25, 49 and 121 frames.",
    )
    add_extractor(parser)
    _add_model(parser)
    parser.add_argument("--clips", type=int, default=16, help="of each kind and length (default 16)")
    add_device(parser)
    add_report(parser, "drift.json")
    parser.set_defaults(run=drift)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=LAYERED_NAME, help=f"{LAYERED_NAME}, or a file of such weights (default {LAYERED_NAME})"
    )


def masks(arguments: argparse.Namespace) -> None:
    """Find, compare, print, write."""
    import numpy as np

    from ..evaluation.masks import WANTED, judge_masks
    from ..weights import load_layered_model

    if arguments.scenes < 1:
        raise DisMoError(f"--scenes is {arguments.scenes}; there must be at least one.")
    check_free(arguments)
    model = load_layered_model(arguments.model, check_device(arguments.device))
    with progress_runtime("Finding things", arguments.device) as runtime:
        rows, shown = judge_masks(model.find, arguments.scenes, lambda done, total: runtime.progress(done, total, None))
    drawn = [row["overlap"] for row in rows if row["picture"].startswith("drawn")]
    median = float(np.median(drawn))
    print(f"Drawn pictures: median overlap {median:.2f} of {len(drawn)} (wanted >= {WANTED}), lowest {min(drawn):.2f}.")
    for row in rows[len(drawn) :]:
        print(f"{row['picture']}: {row['overlap']:.2f}.")
    write(arguments, "masks", {"wanted": WANTED, "median": median, "rows": rows}, shown[:: max(1, len(shown) // 14)], 1)


def drift(arguments: argparse.Namespace) -> None:
    """Draw, read, print, write."""
    import numpy as np
    import torch
    from rich.table import Table

    from ..evaluation.drift import LENGTHS, measure_camera, measure_drift, medians
    from ..evaluation.pipeline import FPS
    from ..extract import extract_motion
    from ..weights import load_layered_model, load_motion_extractor

    if arguments.clips < 1:
        raise DisMoError(f"--clips is {arguments.clips}; there must be at least one.")
    check_free(arguments)
    device = check_device(arguments.device)
    extractor = load_motion_extractor(arguments.extractor, device)
    model = load_layered_model(arguments.model, device)

    def extract(clip: Frames) -> Motion:
        return extract_motion(extractor, torch.from_numpy(clip), fps=FPS, frames=0)

    with progress_runtime("Reading clips that swing", arguments.device) as runtime:

        def progress(done: int, total: int) -> None:
            runtime.progress(done, total, None)

        rows = measure_drift(model, extract, arguments.clips, progress)
        runtime.stage("reading clips that zoom and turn")
        camera = measure_camera(model, extract, arguments.clips, progress)
    found = medians(rows)
    table = Table(title="distance from the true place at the end, % of the picture's side, medians")
    for heading in ("what moves", *(f"{frames} frames" for frames in LENGTHS)):
        table.add_column(heading)
    for kind, values in found.items():
        table.add_row(kind, *(f"{100 * value:.1f}" for value in values.values()))
    console().print(table)
    errors = {kind: float(np.median([r["error"] for r in camera if r["kind"] == kind])) for kind in ("zoom", "turn")}
    print(
        f"Camera over 25 frames, median error of the whole way: zoom {100 * errors['zoom']:.0f} % (wanted <= 15), "
        f"turn {100 * errors['turn']:.0f} % (wanted <= 10)."
    )
    write(arguments, "drift", {"medians": found, "camera": errors, "rows": rows, "camera_rows": camera})
