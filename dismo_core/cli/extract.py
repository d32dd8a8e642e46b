"""`dismo extract CLIP -o motion.safetensors`."""

from __future__ import annotations

import argparse
from typing import Any

from .options import add_device, add_sampling_of_clip, motion_of


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "extract",
        help="save the motion of a clip as a small file",
        description="Save the motion of a clip as a small file.",
    )
    parser.add_argument("clip", metavar="CLIP", help="video file (mp4, webm, gif, ...)")
    parser.add_argument(
        "-o", "--output", default="motion.safetensors", help="motion file to write (default motion.safetensors)"
    )
    parser.add_argument("--extractor", default="tiny", help="tiny, or a file of extractor weights (default tiny)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_sampling_of_clip(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Extract and save."""
    from ..files import check_free

    check_free(arguments.output, overwrite=arguments.overwrite)
    motion = motion_of(arguments.clip, arguments)
    motion.save(arguments.output, overwrite=arguments.overwrite)
    print(f"{arguments.output}: motion of {motion.frames} frames at {motion.fps:g} fps from {motion.source}.")
