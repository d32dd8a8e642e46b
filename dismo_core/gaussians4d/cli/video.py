"""`dismo 4d video`: from a clip to a moving object, without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import progress_runtime
from .clip_options import add_clip_options, check_clip, prepared
from .model_options import add_model_options, check_model_options, modelled


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "video",
        help="a clip as a moving object: GLB, video, page for the browser",
        description="Fit a moving object to a clip of one subject, on a CPU, without a download. One or two minutes.",
    )
    parser.add_argument("clip", type=Path, help="a video, an animated picture, or a folder of numbered PNG files")
    add_clip_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prepare, fit, write."""
    check_clip(arguments.clip)
    check_model_options(arguments)
    with progress_runtime("Reading the clip", arguments.device) as runtime:
        print(modelled(prepared(arguments.clip, arguments), arguments, runtime))
