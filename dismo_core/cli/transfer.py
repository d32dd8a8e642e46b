"""`dismo transfer --motion CLIP|motion.safetensors --image PICTURE -o out.mp4`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_device, add_sampling_of_clip, check_device, motion_of, progress_runtime


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "transfer", help="move a picture as a clip moves", description="Move a picture as a clip moves."
    )
    parser.add_argument(
        "--motion", required=True, metavar="CLIP|MOTION", help="a clip, or a motion file made by `dismo extract`"
    )
    parser.add_argument("--image", required=True, metavar="PICTURE", help="the picture to move")
    parser.add_argument(
        "-o", "--output", default="out.mp4", help="video to write: .mp4 .webm .webp .gif (default out.mp4)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--model", default="tiny", help="tiny, or a file of frame generator weights (default tiny)")
    parser.add_argument(
        "--extractor", default="tiny", help="for clips: tiny, or a file of extractor weights (default tiny)"
    )
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0 = the model's own (default 0)")
    parser.add_argument(
        "--strength", type=float, default=1.0, help="0 = still, 1 = as in the clip, 2 = exaggerated (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same video (default 0)")
    parser.add_argument(
        "--fit", choices=("crop", "pad"), default="crop", help="how a picture of another shape fits (default crop)"
    )
    parser.add_argument("--crf", type=int, default=18, help="quality of mp4 and webm, lower is better (default 18)")
    add_sampling_of_clip(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Extract where needed, transfer, write."""
    from ..files import check_free
    from ..fit import fit_image
    from ..motion import Motion
    from ..rollout import FrameGeneratorModel
    from ..video import output_format, read_image, write_video
    from ..weights import load_frame_generator

    output_format(arguments.output)
    check_free(arguments.output, overwrite=arguments.overwrite)
    picture = read_image(arguments.image)
    model = FrameGeneratorModel(load_frame_generator(arguments.model, check_device(arguments.device)))
    is_motion = Path(arguments.motion).suffix in (".safetensors", ".sft")
    motion = Motion.load(arguments.motion) if is_motion else motion_of(arguments.motion, arguments)
    image = fit_image(picture, model.defaults.size, arguments.fit)
    with progress_runtime("Moving the picture", arguments.device) as runtime:
        frames = model.transfer(
            motion,
            image,
            steps=arguments.steps,
            strength=arguments.strength,
            seed=arguments.seed,
            runtime=runtime,
        )
    write_video(arguments.output, frames, motion.fps, crf=arguments.crf, overwrite=arguments.overwrite)
    print(f"{arguments.output}: {len(frames)} frames of {image.shape[1]}x{image.shape[0]} px at {motion.fps:g} fps.")
