"""`dismo 4d picture`: a picture moved as a clip moves, then made a moving object."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import check_input, check_range, progress_runtime
from ..choices import MATTING
from .clip_options import check_clip
from .model_options import add_model_options, check_model_options, modelled

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..clip import Clip4D


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "picture",
        help="a picture as a moving object: moved as a clip moves",
        description="Cut the subject out of a picture, move it as a clip moves with the bundled models of DisMo, and fit a moving "
        "object to that. On a CPU, without a download.",
    )
    parser.add_argument("picture", type=Path, help="with transparency or a plain background")
    parser.add_argument("--motion", type=Path, required=True, metavar="CLIP", help="a clip of the motion")
    parser.add_argument(
        "--strength", type=float, default=0.4, help="of the motion; the subject must stay in the picture (default 0.4)"
    )
    parser.add_argument(
        "--matting", choices=MATTING, default="auto", help="how the subject is told from the background (default auto)"
    )
    parser.add_argument("--frames", type=int, default=14, help="how many frames are taken, evenly (default 14)")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Move, prepare, fit, write."""
    check_input(arguments.picture, "picture")
    check_clip(arguments.motion)
    check_range(arguments, "strength", 0, 2)
    check_range(arguments, "frames", 2, 128)
    check_model_options(arguments)
    with progress_runtime("Reading the motion", arguments.device) as runtime:
        print(modelled(moved_clip(arguments, runtime), arguments, runtime))


def moved_clip(arguments: argparse.Namespace, runtime: Runtime) -> Clip4D:
    """The subject on white, moved, and prepared."""
    import numpy as np
    import torch
    from PIL import Image

    from ...dismo.extract import extract_motion
    from ...dismo.weights import load_layered_model, load_motion_extractor
    from ...settings import SamplingSettings
    from ..clip import prepare_clip
    from ..matting import matte

    with Image.open(arguments.picture) as opened:
        rgba = torch.from_numpy(matte(np.array(opened.convert("RGBA")), arguments.matting)).float() / 255
    alpha = rgba[..., 3]
    on_white = rgba[..., :3] * alpha[..., None] + 1 - alpha[..., None]
    motion = extract_motion(load_motion_extractor("tiny", device=runtime.device), arguments.motion, runtime=runtime)
    model = load_layered_model("tiny", moves="thing", device=runtime.device)
    runtime.stage("moving the picture")
    settings = SamplingSettings(strength=arguments.strength)
    frames = model.transfer(motion, on_white, settings, mask=alpha, runtime=runtime)
    opaque = torch.nn.functional.pad(frames, (0, 1), value=255).cpu().numpy()
    # what was moved stands on white: it is told from that
    return prepare_clip(
        opaque, motion.fps, frames=arguments.frames, matting="plain", crop="union", source=arguments.picture.name
    )
