"""`dismo transfer --motion CLIP|motion.safetensors --image PICTURE -o out.mp4`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import add_sampling_of_clip, best_device, check_device, progress_runtime
from .clip import motion_of
from .cogvideox_options import RELEASED_ADAPTER, add_cogvideox, load_cogvideox

if TYPE_CHECKING:
    from ..adapter.adapter import CogVideoXMotionAdapter
    from ..motion import Motion
    from ..video_model import MotionVideoModel

log = logging.getLogger(__name__)


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
    parser.add_argument(
        "--model",
        default="tiny",
        help=f"tiny, a file of frame generator weights, {RELEASED_ADAPTER}, or with --base a file of adapter weights "
        "(default tiny)",
    )
    parser.add_argument(
        "--extractor",
        help="for clips: tiny, large, or a file of extractor weights (default: the one that the model was trained with)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=0,
        help="denoising steps; 0 = the model's own (default 0); CogVideoX: 20, 25, 40, 50, 100 ...",
    )
    parser.add_argument(
        "--strength", type=float, default=1.0, help="0 = still, 1 = as in the clip, 2 = exaggerated (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same video (default 0)")
    parser.add_argument(
        "--fit", choices=("crop", "pad"), default="crop", help="how a picture of another shape fits (default crop)"
    )
    parser.add_argument("--crf", type=int, default=18, help="quality of mp4 and webm, lower is better (default 18)")
    add_sampling_of_clip(parser)
    parser.add_argument("--device", help="cpu, cuda, mps (default cpu; for CogVideoX a GPU where there is one)")
    add_cogvideox(parser)
    text = parser.add_argument_group("CogVideoX, sampling")
    text.add_argument("--prompt", default="", help="what the video shows; empty = no prompt, and a guidance of 1")
    text.add_argument("--negative-prompt", default="", help="what it should not show (default: the authors')")
    text.add_argument(
        "--guidance", type=float, default=0.0, help="how closely to follow the prompt; 0 = the model's own (default 0)"
    )
    text.add_argument(
        "--positions",
        default="auto",
        metavar="CHOICE",
        help="auto, sincos, stored: the base's position table (default auto)",
    )
    text.add_argument(
        "--long-keep-tail",
        action="store_true",
        help="above 49 frames: follow a segment from its last frame, four of which have no motion, instead of the fifth from the end",
    )
    text.add_argument(
        "--long-match-colors",
        "--long-match-colours",
        action="store_true",
        help="bring every segment back to the colors of the picture",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Extract where needed, transfer, write."""
    from ...files import check_free
    from ...settings import SamplingSettings
    from ...video import check_output, read_image, write_video
    from ...video.picture import fit_image, shown_part
    from ...video.quality import quality_warning
    from ..video_model import fit_motion

    kept = _kept_motion(arguments.motion)
    check_output(arguments.output, kept.fps if kept else arguments.fps, crf=arguments.crf)
    check_free(arguments.output, overwrite=arguments.overwrite)
    picture = read_image(arguments.image)
    model: MotionVideoModel
    if arguments.base or arguments.model == RELEASED_ADAPTER:
        arguments.device = arguments.device or best_device()
        model = load_cogvideox(
            arguments,
            arguments.model,
            arguments.device,
            arguments.steps,
            positions=arguments.positions,
            keep_tail=arguments.long_keep_tail,
            match_colors=arguments.long_match_colors,
        )
        motion = kept or _motion(arguments, model.adapter)
    else:
        from ..rollout import FrameGeneratorModel
        from ..weights import load_frame_generator

        arguments.device = arguments.device or "cpu"
        arguments.extractor = arguments.extractor or _extractor_beside(arguments.model)
        model = FrameGeneratorModel(load_frame_generator(arguments.model, check_device(arguments.device)))
        motion = kept or _motion(arguments)
    fitted = fit_motion(model, motion, "trim")
    if fitted.frames != motion.frames:
        log.info("This model makes %d frames of the motion's %d.", fitted.frames, motion.frames)
    settings = SamplingSettings(
        prompt=arguments.prompt,
        negative_prompt=arguments.negative_prompt,
        steps=arguments.steps,
        guidance=arguments.guidance,
        strength=arguments.strength,
        seed=arguments.seed,
    )
    size = model.defaults.size
    with progress_runtime("Moving the picture", arguments.device) as runtime:
        frames = model.transfer(
            fitted,
            fit_image(picture, size, arguments.fit, model.defaults.antialias),
            settings,
            runtime=runtime,
        )
    rows, columns = shown_part(picture.shape[0], picture.shape[1], size, arguments.fit)
    frames = frames[:, rows, columns]
    if warning := quality_warning(frames, picture, arguments.strength):
        log.warning("%s", warning)
    write_video(arguments.output, frames, motion.fps, crf=arguments.crf, overwrite=arguments.overwrite)
    _, height, width, _ = frames.shape
    print(f"{arguments.output}: {len(frames)} frames of {width}x{height} px at {motion.fps:g} fps.")


def _extractor_beside(model: str) -> str:
    """The extractor that `dismo train` left beside a frame generator; else the bundled one."""
    beside = Path(model).with_name("motion_extractor.safetensors")
    return str(beside) if Path(model).suffix and beside.is_file() else "tiny"


def _kept_motion(path: str) -> Motion | None:
    """The motion in a motion file; None where the path is that of a clip."""
    from ..motion import Motion

    return Motion.load(path) if Path(path).suffix in (".safetensors", ".sft") else None


def _motion(arguments: argparse.Namespace, adapter: CogVideoXMotionAdapter | None = None) -> Motion:
    """The motion of the clip: by `--extractor` if given, else by the adapter's own extractor."""
    if adapter is None or adapter.plan is None or arguments.extractor:
        return motion_of(arguments.motion, arguments)
    with adapter.plan.using("motion_extractor") as extractor:
        return motion_of(arguments.motion, arguments, extractor)
