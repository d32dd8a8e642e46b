"""`dismo extract CLIP -o motion.safetensors`, and `dismo extract FOLDER -o motions/` for many."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ...cli.options import add_device, add_sampling_of_clip, check_device, check_input, progress_runtime
from ...cli.progress import display
from ...errors import DisMoError
from ...files import printable
from .clip import check_sampling_of_clip, motion_of

_SHOWN = 20  # skipped clips that are printed one by one


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "extract",
        help="save the motion of a clip, or of many, as small files",
        description="Save the motion of a clip as a small file. Of a folder of videos: a file for each; of a folder of tar shards: "
        "tars of motion files. With many it goes on where it was stopped. Several GPUs: "
        "torchrun --nproc-per-node 8 -m dismo_core extract ...",
    )
    parser.add_argument(
        "clip", metavar="CLIP", help="video file (mp4, webm, gif, ...), folder of videos, or tar shards"
    )
    parser.add_argument(
        "-o",
        "--output",
        help="motion file to write (default motion.safetensors), or with many a folder (default motions)",
    )
    parser.add_argument(
        "--extractor", default="tiny", help="tiny, large (released), or a file of extractor weights (default tiny)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_sampling_of_clip(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Extract and save."""
    from ...files import check_free

    if os.path.isdir(arguments.clip) or arguments.clip.endswith(".tar"):
        _many(arguments)
        return
    check_input(arguments.clip, "video")
    output = arguments.output or "motion.safetensors"
    if not output.endswith((".safetensors", ".sft")):
        raise DisMoError(f"Motion files end in .safetensors, not as {output}. Choose such a name.")
    check_sampling_of_clip(arguments)
    check_free(output, overwrite=arguments.overwrite)
    with progress_runtime("Loading the extractor", arguments.device) as runtime:
        motion = motion_of(arguments.clip, arguments, runtime)
        motion.save(output, overwrite=arguments.overwrite)
    print(f"{output}: motion of {motion.frames} frames at {motion.fps:g} fps from {motion.source}.")


def _many(arguments: argparse.Namespace) -> None:
    from ..extract_many import extract_many
    from ..weights import load_motion_extractor

    if arguments.overwrite:
        raise DisMoError("--overwrite is for a single motion file. Delete the folder to extract everything again.")
    output = arguments.output or "motions"
    if os.path.exists(output) and not os.path.isdir(output):
        raise DisMoError(f"{output} is a file; the motions of many clips go into a folder. Choose another name.")
    check_sampling_of_clip(arguments)
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    device = arguments.device
    if device == "cuda" and world > 1:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)
    with display("Loading the extractor") as shown:
        extractor = load_motion_extractor(arguments.extractor, device)
        shown.stage("Extracting the motions")
        done = extract_many(
            extractor,
            arguments.clip,
            output,
            fps=arguments.fps,
            start=arguments.start,
            frames=arguments.frames,
            reverse=arguments.reverse,
            background=arguments.background,
            rank=rank,
            world=world,
            progress=shown.progress,
        )
    print(
        f"{output}: {done.written} motions written, {done.kept} files were there, {len(done.skipped)} clips left out."
    )
    for name, reason in done.skipped[:_SHOWN]:
        print(f"  {printable(name)}: {reason}")
    if len(done.skipped) > _SHOWN:
        print(f"  ... and {len(done.skipped) - _SHOWN} more.")
