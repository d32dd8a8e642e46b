"""`dismo content-motion sample`: motion drawn for a picture, or a whole clip of a class."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import check_input, check_range, progress_runtime
from ...errors import DisMoError
from .shared import add_model, add_result, load, read_content, save_content


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "sample",
        help="draw motion for a picture, or a whole clip of a class",
        description="Draw a motion for the content frame --content, or a content frame of the class --label with a motion.",
    )
    parser.add_argument("--content", type=Path, metavar="PICTURE", help="content frame")
    parser.add_argument("--label", type=int, metavar="CLASS", help="number of the class, from 0")
    add_result(parser, "video to write: mp4, webm, webp, gif")
    parser.add_argument(
        "--motion", type=Path, metavar="FILE", help="also write the motion latent, with its content frame"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help="also write the content frame")
    parser.add_argument("--cfg", type=float, default=4.0, help="guidance by the class, 0 to 20; 1 = none (default 4)")
    parser.add_argument("--steps", type=int, default=50, help="of the sampling, 2 to 1000 (default 50)")
    parser.add_argument("--sampler", choices=("ancestral", "ddim"), default="ancestral", help="(default ancestral)")
    parser.add_argument("--eta", type=float, default=0.0, help="of ddim: 0 = no noise enters, to 1 (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="(default 0)")
    parser.add_argument("--fps", type=float, default=8.0, help="of the video (default 8)")
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Draw, decode, write."""
    from ...files import check_free
    from ...video import check_output, write_video
    from ..algebra import MotionLatent
    from ..encoding import decode_frames
    from ..models.autoencoder import held_still

    if (arguments.content is None) == (arguments.label is None):
        raise DisMoError("Give one of --content (motion for a picture) and --label (a whole clip of a class).")
    if arguments.content is not None:
        check_input(arguments.content, "picture")
        refuse(arguments, ["cfg"], "guides by a class: it is for --label.")
    if arguments.sampler != "ddim":
        refuse(arguments, ["eta"], "is for --sampler ddim.")
    check_range(arguments, "cfg", 0, 20)
    check_output(arguments.out, arguments.fps)
    for path in (arguments.out, arguments.motion, arguments.picture):
        if path is not None:
            check_free(path, overwrite=arguments.overwrite)
    how = dict(seed=arguments.seed, steps=arguments.steps, sampler=arguments.sampler, eta=arguments.eta)
    with progress_runtime("Loading the model", arguments.device) as runtime:
        model = load(arguments)
        if arguments.content is None:
            runtime.stage("drawing the content frame")
            content = model.sample_content([arguments.label], cfg=arguments.cfg, runtime=runtime, **how)
        else:
            content = read_content(arguments.content, model.size or (64, 64))[None]
        runtime.stage("drawing the motion")
        values = model.predict_motion(content, runtime=runtime, **how)
        size = (content.shape[2], content.shape[3])
        runtime.stage("decoding")
        with model.using("autoencoder", runtime) as autoencoder:
            still = held_still(autoencoder, content.to(values), values.shape[2])
            motion = MotionLatent(
                values[0].cpu(),
                arguments.fps,
                size,
                autoencoder.id,
                "drawn",
                content[0].float().cpu(),
                still[0].detach().cpu(),
            )
            frames = decode_frames(autoencoder, motion)
    write_video(arguments.out, frames, arguments.fps, overwrite=arguments.overwrite)
    if arguments.motion is not None:
        motion.save(arguments.motion, overwrite=arguments.overwrite)
    if arguments.picture is not None:
        save_content(motion, arguments.picture, overwrite=arguments.overwrite)
    print(f"{arguments.out}: {len(frames)} frames of {size[1]}x{size[0]} px at {arguments.fps:g} fps.")
