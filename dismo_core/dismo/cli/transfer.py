"""`dismo transfer --motion CLIP|motion.safetensors --image PICTURE -o out.mp4`."""

from __future__ import annotations

import argparse
import logging
import os
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
from .clip import SAMPLING, check_background, check_motion, check_sampling_of_clip
from .cogvideox_options import COGVIDEOX, RELEASED_ADAPTER, add_cogvideox, check_cogvideox
from .layered_options import LAYERED, LAYERED_NAME, add_layered, check_layered
from .mover import COGVIDEOX_KIND, GENERATOR_KIND, LAYERED_KIND, Mover, kept_motion, lora_strengths
from .transfer_many import is_many, run_many

if TYPE_CHECKING:
    from ..motion import Motion

log = logging.getLogger(__name__)

SAMPLED = (
    "prompt",
    "negative_prompt",
    "guidance",
    "start_percent",
    "end_percent",
    "segment_images",
    "lora",
    "lora_strength",
    "positions",
    "long_keep_tail",
    "long_match_colors",
)  # options of sampling with CogVideoX
MANY = ("seeds", "format")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "transfer",
        help="move a picture as a clip moves",
        description="Move a picture as a clip moves. Seconds on a CPU with the bundled models: layered warps the picture itself, at "
        "its own size; tiny makes new frames of 64 px. CogVideoX takes minutes on a GPU, on a CPU far longer.",
    )
    parser.add_argument(
        "--motion",
        required=True,
        metavar="CLIP|MOTION",
        help="a clip, a motion file made by `dismo extract`, or preset:NAME (`dismo presets --list`); "
        "a folder or a pattern such as 'clips/*.mp4' = each of them",
    )
    parser.add_argument(
        "--image",
        required=True,
        metavar="PICTURE",
        help="the picture to move; a folder or a pattern such as 'pictures/*.jpg' = each of them",
    )
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
    text.add_argument(
        "--prompt",
        default="",
        help="what the video shows; empty = no prompt, and a guidance of 1. In long videos one a segment: 'a | b | c', or by the "
        "second: '0s: a | 4s: b'",
    )
    text.add_argument("--negative-prompt", default="", help="what it should not show (default: the authors')")
    text.add_argument(
        "--guidance",
        type=float,
        default=0.0,
        help="how closely to follow the prompt, 1 to 30; 0 = the model's own (default 0)",
    )
    text.add_argument(
        "--start-percent",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the steps before the motion begins to act, 0 to 1 (default 0)",
    )
    text.add_argument(
        "--end-percent",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="share of the steps after which the motion acts no more, 0 to 1 (default 1)",
    )
    text.add_argument(
        "--segment-images",
        nargs="+",
        default=[],
        metavar="PICTURE",
        help="above 49 frames: pictures that begin the second segment, the third, ...; after the last one it goes on by itself",
    )
    text.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="FILE",
        help="an ordinary CogVideoX-5B LoRA (style, character) beside the motion; several: one --lora each",
    )
    text.add_argument(
        "--lora-strength",
        action="append",
        default=[],
        metavar="NUMBERS",
        help="of the LoRAs in their order, -10 to 10; in long videos one a segment: '1 | 0.5', or by the second: '0s: 1 | 4s: 0' "
        "(default 1)",
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
    many = parser.add_argument_group(
        "many", "with folders or patterns: every motion on every picture; -o is then a folder"
    )
    many.add_argument(
        "--seeds",
        choices=("count-up", "same"),
        default="count-up",
        help="--seed, then one more each, or the same (default count-up)",
    )
    many.add_argument(
        "--format", choices=("mp4", "webm", "webp", "gif"), default="mp4", help="of the videos (default mp4)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, extract where needed, transfer, write."""
    many = is_many(arguments.motion) or is_many(arguments.image)
    if not is_many(arguments.motion):
        check_motion(arguments.motion)
    if not is_many(arguments.image):
        check_input(arguments.image, "picture")
    for picture in arguments.segment_images:
        check_input(picture, "picture")
    for file in arguments.lora:
        check_input(file, "LoRA")
    kind = _kind_of_model(arguments)
    kept = None if is_many(arguments.motion) else kept_motion(arguments.motion)
    _refuse_unused(arguments, kind, kept)
    _check_numbers(arguments, kind, kept)
    if many:
        _check_many(arguments)
    else:
        refuse(arguments, MANY, "is for many: give --motion or --image as a folder or a pattern.")
        check_video_output(arguments, kept.fps if kept and "fps" not in arguments.given else arguments.fps)
    arguments.device = check_device(arguments.device or (best_device() if kind == COGVIDEOX_KIND else "cpu"))
    if kind == COGVIDEOX_KIND:
        check_cogvideox(arguments, arguments.device)
    (run_many if many else _run_one)(arguments, kind)


def _run_one(arguments: argparse.Namespace, kind: str) -> None:
    from ...video.audio import read_audio

    with display("Loading the models") as shown:
        mover = Mover(arguments, kind, shown_runtime(shown, arguments.device))
        motion = mover.motion(arguments.motion)
        sound = None
        if arguments.audio == "keep":
            sound = read_audio(arguments.motion, arguments.start, motion.frames / motion.fps)
            if sound is None:
                log.info("The clip has no sound to keep.")
        frames, fps = mover.frames(motion, arguments.image, arguments.seed, arguments.segment_images)
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
            ("steps", "seed", "seeds", "fit"),
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
            (*COGVIDEOX, *SAMPLED),
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


def _check_many(arguments: argparse.Namespace) -> None:
    """Raise for what many videos cannot have; -o becomes a folder."""
    refuse(arguments, ("audio", "ping_pong"), "is for one video: give --motion and --image as files.")
    refuse(arguments, ("segment_images", "mask"), "is for one picture: give --image as a file.")
    if arguments.format == "gif":
        refuse(arguments, ("crf",), "is for mp4, webm and webp: a gif has no quality to choose.")
    if "output" not in arguments.given:
        arguments.output = "videos"
    if Path(arguments.output).suffix or (os.path.exists(arguments.output) and not os.path.isdir(arguments.output)):
        raise DisMoError(
            f"{arguments.output} is no folder, and many videos go into one. Give -o as a folder, such as videos/."
        )


def _check_numbers(arguments: argparse.Namespace, kind: str, kept: Motion | None) -> None:
    """Raise for numbers that cannot be; the numbers of CogVideoX alone are `check_cogvideox`'s."""
    from ...settings import SamplingSettings
    from ..curve import read_curve
    from ..layered.checks import MAX_FPS

    if kept is None:
        check_sampling_of_clip(arguments)
    else:
        check_background(arguments)  # of the picture
    check_range(arguments, "steps", 0, 1000)
    check_range(arguments, "strength", 0, 2)
    SamplingSettings(start_percent=arguments.start_percent, end_percent=arguments.end_percent)
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
        lora_strengths(arguments)
