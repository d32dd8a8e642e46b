"""`dismo content-motion decode`: a content frame and a motion as a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_input, check_range, progress_runtime
from .shared import add_model, add_result, load, read_content


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "decode",
        help="a content frame and a motion as a video",
        description="Put a clip together: any picture as its content frame, and a motion latent.",
    )
    parser.add_argument("--motion", type=Path, required=True, metavar="FILE", help="motion latent")
    parser.add_argument("--content", type=Path, metavar="PICTURE", help="(default: the one in the motion's file)")
    parser.add_argument("--strength", type=float, default=1.0, help="0 = still, 1 = as it is, to 3 (default 1)")
    add_result(parser, "video to write: mp4, webm, webp, gif")
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, decode, write."""
    from ...files import check_free
    from ...video import check_output, write_video
    from ..algebra import MotionLatent
    from ..encoding import decode_frames

    check_input(arguments.motion, "motion latent")
    check_range(arguments, "strength", 0, 3)
    motion = MotionLatent.load(arguments.motion)
    check_output(arguments.out, motion.fps)
    check_free(arguments.out, overwrite=arguments.overwrite)
    if arguments.content is not None:
        check_input(arguments.content, "picture")
    with progress_runtime("Loading the model", arguments.device) as runtime:
        model = load(arguments)
        runtime.stage("decoding")
        content = None if arguments.content is None else read_content(arguments.content, motion.size)
        with model.using("autoencoder", runtime) as autoencoder:
            frames = decode_frames(autoencoder, motion.scaled(arguments.strength), content)
    write_video(arguments.out, frames, motion.fps, overwrite=arguments.overwrite)
    print(f"{arguments.out}: {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]} px at {motion.fps:g} fps.")
