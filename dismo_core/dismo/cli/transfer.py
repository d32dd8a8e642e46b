"""`dismo transfer --motion CLIP|motion.safetensors --image PICTURE -o out.mp4`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import (
    add_sampling_of_clip,
    best_device,
    check_device,
    check_input,
    check_range,
    shown_runtime,
)
from ...cli.progress import display
from ...cli.video_output import add_video_output, check_video_output, write_output
from ...errors import DisMoError
from .clip import SAMPLING, check_background, check_sampling_of_clip, motion_of
from .cogvideox_options import COGVIDEOX, RELEASED_ADAPTER, add_cogvideox, check_cogvideox, load_cogvideox
from .layered_options import LAYERED, LAYERED_NAME, add_layered, check_layered, load_layered, read_mask

if TYPE_CHECKING:
    from torch import Tensor

    from ...runtime import Runtime
    from ...video import Audio
    from ..adapter.adapter import CogVideoXMotionAdapter
    from ..motion import Motion
    from ..video_model import MotionVideoModel

log = logging.getLogger(__name__)

LAYERED_FPS = 8.0  # at which clips are read for the layered model: the pace that its head knows
LAYERED_KIND, GENERATOR_KIND, COGVIDEOX_KIND = "layered model", "frame generator", "CogVideoX"
TEXT = ("prompt", "negative_prompt", "guidance", "positions", "long_keep_tail", "long_match_colors")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "transfer",
        help="move a picture as a clip moves",
        description="Move a picture as a clip moves. Seconds on a CPU with the bundled models: layered warps the picture itself, at "
        "its own size; tiny makes new frames of 64 px. CogVideoX takes minutes on a GPU, on a CPU far longer.",
    )
    parser.add_argument(
        "--motion", required=True, metavar="CLIP|MOTION", help="a clip, or a motion file made by `dismo extract`"
    )
    parser.add_argument("--image", required=True, metavar="PICTURE", help="the picture to move")
    add_video_output(parser)
    parser.add_argument(
        "--audio",
        choices=("keep", "none"),
        default="none",
        help="keep: the sound of the driving clip from --start on, as long as the video; in mp4 and webm (default none)",
    )
    parser.add_argument(
        "--model",
        help=f"layered, tiny, a file of layered or frame generator weights, {RELEASED_ADAPTER}, or with --base a file of adapter "
        f"weights (default layered; with --base {RELEASED_ADAPTER})",
    )
    parser.add_argument(
        "--extractor",
        help="for clips: tiny, large, or a file of extractor weights (default: the one that the model was trained with)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=0,
        help="denoising steps, to 1000; 0 = the model's own (default 0); CogVideoX: 20, 25, 40, 50, 100 ...",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="0 to 2: 0 = still, 1 = as in the clip, 2 = exaggerated (default 1). With CogVideoX how much the adapter does: 0 = "
        "the bare model, which moves as it likes",
    )
    parser.add_argument(
        "--curve",
        metavar="KEYS",
        help='strength over time, beside --strength: "0:1, 12:0.2, 24:1" (frame:strength, straight between them), or ease-in, '
        "ease-out, ease-in-out, ping-pong",
    )
    parser.add_argument("--seed", type=int, default=0, help="any whole number: same seed, same video (default 0)")
    parser.add_argument(
        "--fit", choices=("crop", "pad"), default="crop", help="how a picture of another shape fits (default crop)"
    )
    add_sampling_of_clip(parser)
    parser.add_argument("--device", help="cpu, cuda, mps (default cpu; for CogVideoX a GPU where there is one)")
    add_layered(parser)
    add_cogvideox(parser)
    text = parser.add_argument_group("CogVideoX, sampling")
    text.add_argument("--prompt", default="", help="what the video shows; empty = no prompt, and a guidance of 1")
    text.add_argument("--negative-prompt", default="", help="what it should not show (default: the authors')")
    text.add_argument(
        "--guidance",
        type=float,
        default=0.0,
        help="how closely to follow the prompt, 1 to 30; 0 = the model's own (default 0)",
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
    """Check, extract where needed, transfer, write."""
    check_input(arguments.motion, "clip or motion file")
    check_input(arguments.image, "picture")
    kind = _kind_of_model(arguments)
    kept = kept_motion(arguments.motion)
    _refuse_unused(arguments, kind, kept)
    _check_numbers(arguments, kind, kept)
    check_video_output(arguments, kept.fps if kept and "fps" not in arguments.given else arguments.fps)
    arguments.device = check_device(arguments.device or (best_device() if kind == COGVIDEOX_KIND else "cpu"))
    if kind == COGVIDEOX_KIND:
        check_cogvideox(arguments, arguments.device)
    with display("Loading the models") as shown:
        runtime = shown_runtime(shown, arguments.device)
        frames, fps, sound = _transferred(arguments, kind, kept, runtime)
        written = write_output(arguments, frames, fps, sound, shown)
    print(written)


def _kind_of_model(arguments: argparse.Namespace) -> str:
    """Which kind of model the options name; fills in the model where none is named."""
    arguments.model = arguments.model or (RELEASED_ADAPTER if arguments.base else LAYERED_NAME)
    if arguments.base and arguments.model in ("tiny", LAYERED_NAME):
        raise DisMoError(
            f"--base belongs to CogVideoX, and --model {arguments.model} needs none. Leave one of the two away."
        )
    if arguments.base or arguments.model == RELEASED_ADAPTER:
        return COGVIDEOX_KIND
    if arguments.model == LAYERED_NAME:
        return LAYERED_KIND
    if arguments.model == "tiny":
        return GENERATOR_KIND
    from ..weights import is_layered

    return LAYERED_KIND if is_layered(arguments.model) else GENERATOR_KIND


def _refuse_unused(arguments: argparse.Namespace, kind: str, kept: Motion | None) -> None:
    """Raise for options that would change nothing."""
    large = kind == COGVIDEOX_KIND
    if kept is not None:
        of_clips = [name for name in SAMPLING if not (name == "fps" and kind == LAYERED_KIND)]
        refuse(
            arguments,
            (*of_clips, "extractor"),
            "is for clips: a motion file holds what was read when it was extracted.",
        )
    if kind == LAYERED_KIND:
        refuse(
            arguments,
            ("steps", "seed", "fit"),
            "belongs to models that make frames: the layered model warps the picture, at its own size. For the frame generator give "
            "--model tiny.",
        )
    else:
        refuse(
            arguments, LAYERED, f"belongs to the layered model, --model {LAYERED_NAME}. The {kind} has no such choice."
        )
    if not large:
        refuse(
            arguments,
            (*COGVIDEOX, *TEXT),
            f"belongs to CogVideoX: give --model {RELEASED_ADAPTER}, or --base. The {kind} has no such choice.",
        )
    elif not arguments.prompt.strip():
        refuse(
            arguments, ("negative_prompt", "guidance"), "counts beside a --prompt only: without one the guidance is 1."
        )
    elif 0 < arguments.guidance <= 1:
        refuse(arguments, ("negative_prompt",), "counts with a --guidance above 1 only.")
    if large and arguments.cache == "faster" and not (arguments.prompt.strip() and not 0 < arguments.guidance <= 1):
        raise DisMoError("--cache faster needs a --prompt and a guidance above 1. Take 'first block' instead.")
    if arguments.audio == "keep":
        if kept is not None:
            raise DisMoError(
                "--audio keep needs the clip itself: a motion file holds no sound. Give the clip as --motion."
            )
        refuse(arguments, ("reverse", "ping_pong"), "does not go with --audio keep: sound is played forwards only.")
        if Path(arguments.output).suffix.lower() not in (".mp4", ".webm"):
            raise DisMoError(
                f"--audio keep needs an mp4 or webm to write, not {arguments.output}. Others hold no sound."
            )


def _check_numbers(arguments: argparse.Namespace, kind: str, kept: Motion | None) -> None:
    """Raise for numbers that cannot be; the numbers of CogVideoX alone are `check_cogvideox`'s."""
    from ..curve import read_curve
    from ..layered.checks import MAX_FPS

    if kept is None:
        check_sampling_of_clip(arguments)
    else:
        check_background(arguments)  # of the picture
    check_range(arguments, "steps", 0, 1000)
    check_range(arguments, "strength", 0, 2)
    if arguments.curve is not None:
        curve = read_curve(arguments.curve)
        if kept is not None:
            curve(kept.frames)
    if kind == LAYERED_KIND:
        check_layered(arguments)
        if not 0 < arguments.fps <= MAX_FPS:
            raise DisMoError(f"--fps must be above 0 and at most {MAX_FPS:g}, not {arguments.fps:g}.")
    if kind == COGVIDEOX_KIND:
        check_range(arguments, "guidance", 0, 30)


def _transferred(
    arguments: argparse.Namespace, kind: str, kept: Motion | None, runtime: Runtime
) -> tuple[Tensor | Sequence[Tensor], float, Audio | None]:
    """Frames uint8 [T,H,W,3], their rate, and the sound to go with them."""
    from ...settings import SamplingSettings
    from ...video import read_image
    from ...video.audio import read_audio
    from ...video.picture import fit_image, shown_part
    from ...video.quality import quality_warning
    from ..curve import read_curve
    from ..layered.model import LayeredModel
    from ..video_model import fit_motion

    picture = read_image(arguments.image, background=arguments.background)
    mask = read_mask(arguments)
    load = {COGVIDEOX_KIND: _cogvideox, GENERATOR_KIND: _frame_generator, LAYERED_KIND: _layered}[kind]
    model, motion = load(arguments, kept, runtime)
    fitted = fit_motion(model, motion, "trim")
    if fitted.frames != motion.frames:
        log.info("This model makes %d frames of the motion's %d.", fitted.frames, motion.frames)
    if arguments.curve is not None:
        fitted = fitted.scaled(read_curve(arguments.curve)(fitted.frames))
    sound = None
    if arguments.audio == "keep":
        sound = read_audio(arguments.motion, arguments.start, fitted.frames / motion.fps)
        if sound is None:
            log.info("The clip has no sound to keep.")
    settings = SamplingSettings(
        prompt=arguments.prompt,
        negative_prompt=arguments.negative_prompt,
        steps=arguments.steps,
        guidance=arguments.guidance,
        strength=arguments.strength,
        seed=arguments.seed,
    )
    if isinstance(model, LayeredModel):  # its frames are drawn as they are written: any length fits into memory
        frames_to_draw = model.render(fitted, picture, settings, mask=mask, runtime=runtime)
        return frames_to_draw, frames_to_draw.fps, sound
    size = model.defaults.size
    if kind == GENERATOR_KIND:  # CogVideoX tells its stages itself
        runtime.stage("moving the picture")
    fit = fit_image(picture, size, arguments.fit, model.defaults.antialias)
    frames = model.transfer(fitted, fit, settings, runtime=runtime)
    rows, columns = shown_part(picture.shape[0], picture.shape[1], size, arguments.fit)
    frames = frames[:, rows, columns]
    if warning := quality_warning(frames, picture, arguments.strength):
        log.warning("%s", warning)
    return frames, motion.fps, sound


def _cogvideox(arguments: argparse.Namespace, kept: Motion | None, runtime: Runtime) -> tuple[MotionVideoModel, Motion]:
    model = load_cogvideox(
        arguments,
        arguments.model,
        arguments.device,
        runtime,
        positions=arguments.positions,
        keep_tail=arguments.long_keep_tail,
        match_colors=arguments.long_match_colors,
    )
    return model, kept or _motion(arguments, model.adapter, runtime)


def _frame_generator(
    arguments: argparse.Namespace, kept: Motion | None, runtime: Runtime
) -> tuple[MotionVideoModel, Motion]:
    from ..rollout import FrameGeneratorModel
    from ..weights import load_frame_generator

    arguments.extractor = arguments.extractor or _extractor_beside(arguments.model)
    model = FrameGeneratorModel(load_frame_generator(arguments.model, arguments.device))
    return model, kept or motion_of(arguments.motion, arguments, runtime)


def _layered(arguments: argparse.Namespace, kept: Motion | None, runtime: Runtime) -> tuple[MotionVideoModel, Motion]:
    from ..weights import load_motion_extractor

    fps = arguments.fps if "fps" in arguments.given else 0.0
    model = load_layered(arguments, arguments.model, arguments.device, fps)
    if kept is not None:
        return model, kept
    name = arguments.extractor or "tiny"
    runtime.stage("loading the extractor")
    extractor = load_motion_extractor(name, arguments.device)
    if extractor.extractor_id != model.extractor_id:
        raise DisMoError(
            f"The layered model {arguments.model} reads motions of extractor {model.extractor_id}; --extractor {name} is "
            f"{extractor.extractor_id}. Give the extractor that it was fitted to."
        )
    arguments.fps = LAYERED_FPS  # of the clip; --fps is the video's
    return model, motion_of(arguments.motion, arguments, runtime, extractor)


def _extractor_beside(model: str) -> str:
    """The extractor that `dismo train` left beside a frame generator; else the bundled one."""
    beside = Path(model).with_name("motion_extractor.safetensors")
    return str(beside) if Path(model).suffix and beside.is_file() else "tiny"


def kept_motion(path: str) -> Motion | None:
    """The motion in a motion file; None where the path is that of a clip."""
    if Path(path).suffix not in (".safetensors", ".sft"):
        return None
    from ..motion import Motion

    return Motion.load(path)


def _motion(arguments: argparse.Namespace, adapter: CogVideoXMotionAdapter, runtime: Runtime) -> Motion:
    """The motion of the clip: by `--extractor` if given, else by the adapter's own extractor."""
    if adapter.plan is None or arguments.extractor:
        return motion_of(arguments.motion, arguments, runtime)
    with adapter.plan.using("motion_extractor") as extractor:
        return motion_of(arguments.motion, arguments, runtime, extractor)
