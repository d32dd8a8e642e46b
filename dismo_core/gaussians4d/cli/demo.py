"""`dismo 4d demo`: a drawn fish as a moving object, on a CPU, without a download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, progress_runtime
from .results import write_results


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="see it work in a minute, no GPU and no download",
        description="Fit a moving object to the bundled clip of a fish. About a minute on a CPU.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("dismo_4d_demo"), metavar="FOLDER", help="default dismo_4d_demo"
    )
    parser.add_argument("--steps", type=int, default=300, help="of the fit; 60 for a first look (default 300)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, fit, write; a demo replaces what an earlier one left."""
    from ...assets.examples import example_clip
    from ...cli.options import check_range
    from ..clip import prepare_clip, read_rgba
    from ..fit_clip import FitSettings, fit_clip

    out: Path = arguments.out
    check_demo_folder(out)
    check_range(arguments, "steps", 1, 100_000)
    with progress_runtime("Reading the clip", "cpu") as runtime:
        clip = prepare_clip(*read_rgba(example_clip("fish")), source="fish")
        runtime.stage("fitting")
        four = fit_clip(clip, FitSettings(steps=arguments.steps), runtime=runtime)
        line = write_results(out, four, clip, runtime, "turntable", "white", True)
    print(
        f"{line}\nOpen {out / 'view.html'} in a browser and drag; {out / 'contact_sheet.png'}: the clip, then the model from "
        "0, 30, 90 and 180 degrees."
    )
