"""`dismo 4d drive`: a clip from one picture by Stable Video Diffusion, with files under the published names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import add_device, check_input, check_range, progress_runtime
from ...files import atomic_folder, check_free
from ..choices import DRIVE_BACKGROUNDS, MATTING


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "drive",
        help="a clip from one picture, by Stable Video Diffusion",
        description="Let a Stable Video Diffusion on this machine move a picture: X_frames/000.png ... and X_generated.mp4.",
    )
    parser.add_argument("picture", type=Path, help="with transparency or a plain background")
    parser.add_argument(
        "--model", type=Path, required=True, metavar="FOLDER", help="a Stable Video Diffusion in diffusers' format"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the noise (default 42)")
    parser.add_argument("--bg", choices=DRIVE_BACKGROUNDS, default="white", help="behind the subject (default white)")
    parser.add_argument(
        "--is_pad", "--is-pad", action="store_true", help="give the model margins; they are cut off again"
    )
    parser.add_argument("--frames", type=int, default=14, help="of the clip (default 14)")
    parser.add_argument("--steps", type=int, default=25, help="of the sampling (default 25)")
    parser.add_argument("--size", type=int, default=512, help="px (default 512)")
    parser.add_argument(
        "--matting", choices=MATTING, default="auto", help="how the subject is told from the background (default auto)"
    )
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Sample and write."""
    import numpy as np
    from PIL import Image

    from ...video import write_video
    from ..drive import drive
    from ..export import check_folder
    from ..matting import matte
    from ..svd import FPS

    source: Path = arguments.picture
    check_input(source, "picture")
    check_range(arguments, "frames", 2, 128)
    check_range(arguments, "steps", 1, 1000)
    folder, video = (source.with_name(f"{source.stem}_{what}") for what in ("frames", "generated.mp4"))
    check_folder(folder, overwrite=arguments.overwrite)
    check_free(video, overwrite=arguments.overwrite)
    with Image.open(source) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    if arguments.bg != "original":
        rgba = matte(rgba, arguments.matting)
    with progress_runtime("Loading the model", arguments.device) as runtime:
        frames = drive(
            arguments.model,
            rgba,
            seed=arguments.seed,
            background=arguments.bg,
            pad=arguments.is_pad,
            frames=arguments.frames,
            steps=arguments.steps,
            size=arguments.size,
            runtime=runtime,
        )
    with atomic_folder(folder) as temporary:
        for number, frame in enumerate(frames):
            Image.fromarray(frame.numpy()).save(temporary / f"{number:03d}.png")
    write_video(video, frames, FPS, overwrite=arguments.overwrite)
    print(f"{folder}: {len(frames)} frames; {video}. `dismo 4d fit input={source}` goes on with them.")
