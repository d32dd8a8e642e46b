"""From a prepared clip to files: what the commands share that end in a moving object."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...cli.options import add_device, check_range
from .clip_options import add_shape_options, check_shape
from .results import TRANSPARENT, check_results, write_results

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..clip import Clip4D

CAMERAS = ("swing", "turntable", "still", "published")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Those of the shape, the fit and the results."""
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("4d"), metavar="FOLDER", help="for the results (default 4d)"
    )
    add_shape_options(parser)
    parser.add_argument("--steps", type=int, default=300, help="of the fit (default 300)")
    parser.add_argument("--fit-size", type=int, default=64, help="px, at which frames are compared (default 64)")
    parser.add_argument("--rigid", type=float, default=1.0, help="how stiff the object is; 0 = not at all (default 1)")
    parser.add_argument("--smooth", type=float, default=1.0, help="how even its motion is; 0 = not at all (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    parser.add_argument("--camera", choices=CAMERAS, default="turntable", help="of the video (default turntable)")
    parser.add_argument(
        "--background",
        default="white",
        metavar="COLOR",
        help=f"of the pictures, or {TRANSPARENT}, which makes the video a WebM with transparency (default white)",
    )
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")


def check_model_options(arguments: argparse.Namespace) -> None:
    """Raise for what cannot be; asked before long work."""
    from ...video.alpha import background_rgb

    check_shape(arguments)
    check_range(arguments, "steps", 1, 100_000)
    check_range(arguments, "fit_size", 16, 512)
    check_range(arguments, "rigid", 0, 100)
    check_range(arguments, "smooth", 0, 100)
    if arguments.background != TRANSPARENT:
        background_rgb(arguments.background)
    check_results(arguments.out, arguments.overwrite)


def modelled(clip: Clip4D, arguments: argparse.Namespace, runtime: Runtime) -> str:
    """Fit a model to the clip and write the results; returns what to say."""
    from dataclasses import replace

    from ..fit_clip import FitSettings, fit_clip
    from ..priors import SINGLE_VIEW

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
    runtime.stage("fitting")
    four = fit_clip(clip, settings, runtime=runtime)
    out: Path = arguments.out
    line = write_results(out, four, clip, runtime, arguments.camera, arguments.background, arguments.overwrite)
    return f"{line}\nOpen {out / 'view.html'} in a browser, {out / 'model.glb'} in Blender."
