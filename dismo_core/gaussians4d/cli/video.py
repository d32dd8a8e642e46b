"""`dismo 4d video`: from a clip to a moving object, without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import add_device, check_range, progress_runtime
from .clip_options import add_clip_options, add_shape_options, check_clip, check_shape, prepared
from .results import check_results, write_results

CAMERAS = ("swing", "turntable", "still", "published")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "video",
        help="a clip as a moving object: GLB, video, page for the browser",
        description="Fit a moving object to a clip of one subject, on a CPU, without a download. One or two minutes.",
    )
    parser.add_argument("clip", type=Path, help="a video, an animated picture, or a folder of numbered PNG files")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("4d"), metavar="FOLDER", help="for the results (default 4d)"
    )
    add_clip_options(parser)
    add_shape_options(parser)
    add_fit_options(parser)
    parser.add_argument("--camera", choices=CAMERAS, default="turntable", help="of the video (default turntable)")
    parser.add_argument("--background", default="white", metavar="COLOR", help="of the pictures (default white)")
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.set_defaults(run=run)


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """--steps --fit-size --rigid --smooth --seed."""
    parser.add_argument("--steps", type=int, default=300, help="of the fit (default 300)")
    parser.add_argument("--fit-size", type=int, default=64, help="px, at which frames are compared (default 64)")
    parser.add_argument("--rigid", type=float, default=1.0, help="how stiff the object is; 0 = not at all (default 1)")
    parser.add_argument("--smooth", type=float, default=1.0, help="how even its motion is; 0 = not at all (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Prepare, fit, write."""
    from dataclasses import replace

    from ...video.alpha import background_rgb
    from ..fit_clip import FitSettings, fit_clip
    from ..priors import SINGLE_VIEW

    check_clip(arguments.clip)
    check_shape(arguments)
    check_range(arguments, "steps", 1, 100_000)
    check_range(arguments, "fit_size", 16, 512)
    check_range(arguments, "rigid", 0, 100)
    check_range(arguments, "smooth", 0, 100)
    background_rgb(arguments.background)
    check_results(arguments.out, arguments.overwrite)
    priors = replace(
        SINGLE_VIEW, rigid=SINGLE_VIEW.rigid * arguments.rigid, smooth=SINGLE_VIEW.smooth * arguments.smooth
    )
    settings = FitSettings(
        steps=arguments.steps,
        size=arguments.fit_size,
        frame=arguments.frame,
        count=arguments.count,
        thickness=arguments.thickness,
        priors=priors,
        seed=arguments.seed,
    )
    with progress_runtime("Reading the clip", arguments.device) as runtime:
        clip = prepared(arguments.clip, arguments)
        runtime.stage("fitting")
        four = fit_clip(clip, settings, runtime=runtime)
        line = write_results(
            arguments.out, four, clip, runtime, arguments.camera, arguments.background, arguments.overwrite
        )
    print(f"{line}\nOpen {arguments.out / 'view.html'} in a browser, {arguments.out / 'model.glb'} in Blender.")
