"""`dismo content-motion encode`: a clip as a motion latent and a content frame."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_input, progress_runtime
from ...errors import DisMoError
from .shared import add_model, add_result, load, save_content


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "encode",
        help="a clip as a motion latent and a content frame",
        description="Take a clip apart: its motion as a file of a few tens of kilobytes, its content as a picture.",
    )
    parser.add_argument("clip", type=Path, metavar="CLIP", help="video file")
    add_result(parser, "motion latent to write, .safetensors; holds the content frame, too")
    parser.add_argument("--content", type=Path, metavar="PNG", help="also write the content frame as a picture")
    parser.add_argument("--no-content", action="store_true", help="leave the content frame out of the motion's file")
    parser.add_argument("--fps", type=float, default=8.0, help="at which the clip is read (default 8)")
    parser.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="where it begins (default 0)")
    parser.add_argument("--frames", type=int, default=16, help="2 or more (default 16)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="px (default: the model's, else 64 64)")
    parser.add_argument(
        "--fit",
        choices=("crop", "pad", "stretch"),
        default="crop",
        help="how the clip comes to that size (default crop)",
    )
    parser.add_argument(
        "--refine",
        type=int,
        default=0,
        metavar="STEPS",
        help="improve the result for this clip; 200 is much (default 0)",
    )
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, encode, write."""
    from dataclasses import replace

    from ...files import check_free
    from ...video import read_video
    from ..clips import fitted
    from ..encoding import encode_frames

    check_input(arguments.clip, "clip")
    if arguments.frames < 2 or arguments.refine < 0:
        raise DisMoError(
            f"--frames must be 2 or more and --refine 0 or more, not {arguments.frames} and {arguments.refine}."
        )
    for path in (arguments.out, arguments.content):
        if path is not None:
            check_free(path, overwrite=arguments.overwrite)
    with progress_runtime("Loading the model", arguments.device) as runtime:
        model = load(arguments)
        size = tuple(arguments.size or model.size or (64, 64))
        runtime.stage("reading the clip")
        frames = read_video(arguments.clip, fps=arguments.fps, start=arguments.start, frames=arguments.frames).frames
        runtime.stage("encoding")
        with model.using("autoencoder", runtime) as autoencoder:
            motion = encode_frames(
                autoencoder, fitted(frames, size, arguments.fit), size, arguments.fps, arguments.clip.name,
                arguments.refine, runtime,
            )  # fmt: skip
    if arguments.content is not None:
        save_content(motion, arguments.content, overwrite=arguments.overwrite)
    kept = replace(motion, content=None) if arguments.no_content else motion
    kept.save(arguments.out, overwrite=arguments.overwrite)
    print(f"{arguments.out}: motion of {motion.frames} frames at {size[1]}x{size[0]} px, {motion.fps:g} fps.")
