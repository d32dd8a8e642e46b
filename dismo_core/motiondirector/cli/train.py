"""`dismo motiondirector train`: by a YAML file of the published code, or by options alone."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import chosen_device, shown_runtime
from ...cli.progress import display
from ...cli.training_report import TrainingReport
from ...errors import DisMoError
from .base_options import add_running, load

if TYPE_CHECKING:
    from ..clips import Clip
    from ..config import RunConfig

DATA = ("video", "videos", "images", "caption", "frames", "fps", "start", "end", "width", "height", "fit", "mode")
# Option -> field of `TrainingSettings`.
TRAINING = {
    "steps": "steps", "lr": "learning_rate", "rank": "rank", "single_appearance": "single_appearance", "flip": "flip",
    "dropout": "dropout", "dropout_until": "dropout_until_step", "weight_decay": "weight_decay", "optimizer": "optimizer",
    "clip": "clip", "accumulation": "accumulation", "save_every": "save_every", "seed": "seed", "warm_start": "warm_start",
    "offset_noise": "offset_noise", "checkpointing": "checkpointing", "convolutions": "convolutions",
}  # fmt: skip


def add_train(actions: Any) -> None:
    """Register `train`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "train",
        help="learn the motion of clips, and their appearance apart",
        description="Train adapters: `--config FILE` takes a YAML file of the published code, whose training keys the options below "
        "override; otherwise --video, --videos or --images say what is learned. A run that was stopped goes on in the same --out.",
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="a file such as config_single_video.yaml")
    parser.add_argument("--strict", action="store_true", help="refuse keys of the config that are not known")
    parser.add_argument("--base", help="`tiny`, a diffusers folder or a hub id (default: the config's, else tiny)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="of this run (default: a new one by date, as published)"
    )
    data = parser.add_argument_group("what is learned, without --config")
    data.add_argument("--video", metavar="FILE", help="one clip, in consecutive chunks of --frames")
    data.add_argument("--videos", metavar="FOLDER", help="clips of one motion, --frames of each")
    data.add_argument("--images", nargs="+", metavar="FILE", help="pictures, or a folder of them: the appearance alone")
    data.add_argument("--caption", help="what it shows (default: the .txt of the same name beside each file)")
    data.add_argument("--frames", type=int, default=16, help="of a clip (default 16; fewer need less memory)")
    data.add_argument("--fps", type=float, default=8.0, help="at which clips are sampled (default 8)")
    data.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="where --video begins (default 0)")
    data.add_argument("--end", type=float, metavar="SECONDS", help="where --video ends (default: its end)")
    data.add_argument("--width", type=int, default=0, help="px, a multiple of 8 (default: the base's)")
    data.add_argument("--height", type=int, default=0, help="likewise")
    data.add_argument(
        "--fit", choices=("crop", "stretch", "official"), default="crop",
        help="crop (default) cuts off what hangs over, stretch ignores the shape, official is the published rule",
    )  # fmt: skip
    data.add_argument(
        "--mode", choices=("motion", "appearance", "both"),
        help="both (default for clips) learns the appearance apart, so that the motion does not take it along",
    )  # fmt: skip
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=int, help="in all (default 300)")
    group.add_argument("--lr", type=float, help="learning rate (default 5e-4)")
    group.add_argument("--rank", type=int, help="of the adapters (default 32)")
    group.add_argument(
        "--convolutions", action="store_true", default=None,
        help="also change the convolutions over frames, which the published method does not",
    )  # fmt: skip
    group.add_argument("--single-appearance", action="store_true", default=None, help="one appearance for all clips")
    group.add_argument(
        "--flip", type=float, metavar="SHARE", help="of the steps that see a mirrored picture (default 0)"
    )
    group.add_argument("--dropout", type=float, metavar="SHARE", help="of the updates (default 0.1)")
    group.add_argument("--dropout-until", type=int, metavar="STEP", help="no dropout from this step on")
    group.add_argument("--weight-decay", type=float, help="of AdamW (default 0.01)")
    group.add_argument(
        "--optimizer", choices=("adamw", "adamw8bit"), help="adamw8bit needs bitsandbytes (default adamw)"
    )
    group.add_argument("--clip", type=float, metavar="NORM", help="largest gradient norm (default: none)")
    group.add_argument("--accumulation", type=int, metavar="N", help="clips to a step (default 1)")
    group.add_argument("--offset-noise", type=float, metavar="STRENGTH", help="offset of the noise (default 0)")
    group.add_argument(
        "--no-checkpointing", dest="checkpointing", action="store_false", default=None,
        help="keep activations: faster, and more memory",
    )  # fmt: skip
    group.add_argument("--warm-start", metavar="RUN", help="begin with the adapters of a run or file")
    group.add_argument("--save-every", type=int, metavar="STEPS", help="between checkpoints (default 50)")
    group.add_argument("--seed", type=int, help="of start and draws (default 0)")
    group.add_argument("--no-resume", action="store_true", help="refuse a folder that holds a run")
    group.add_argument(
        "--preview-prompt",
        action="append",
        metavar="TEXT",
        help="of previews; may come several times (default: the caption)",
    )
    group.add_argument(
        "--preview-every", type=int, metavar="STEPS", help="between previews; 0 = never (default 0, or the config's)"
    )
    group.add_argument(
        "--keep-inversion", action="store_true", help="also keep the noise of each clip, for --noise_prior later"
    )
    group.add_argument("--skip-bad", action="store_true", help="go on without files that cannot be read")
    add_running(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train and say where the files are."""
    from ..runs import run_training

    config = _config(arguments)
    folder = arguments.out or config.output / time.strftime("train_%Y-%m-%dT%H-%M-%S")
    if arguments.no_resume and folder.is_dir() and any(folder.iterdir()):
        raise DisMoError(f"{folder} is not empty. Choose another folder, or go on with that run (without --no-resume).")
    device = chosen_device(arguments.device)
    precision = arguments.precision if "precision" in arguments.given else config.precision
    if device == "cpu" and precision == "fp16":
        precision = "fp32"  # what a CPU has no arithmetic for
    with display("Loading the base") as shown:
        base = load(arguments.base or config.base, device, precision, arguments.memory, shown)
        config = _sized(arguments, config, base.size)
        runtime = shown_runtime(shown, device)
        report = TrainingReport(shown, {"adapters": config.training.steps})
        shown.line(f"Training in {folder}: {config.training.steps} steps at {config.size.width}x{config.size.height}.")
        done = run_training(
            base,
            config,
            folder,
            skip_bad=arguments.skip_bad,
            keep_inversion=arguments.keep_inversion,
            runtime=runtime,
            report=lambda done, total, row: report(
                "adapters", done, total, row if done % 10 == 0 or done == total else {}
            ),
        )
        for part, path in done.adapters.items():
            shown.line(f"{path}: the {part} adapter.")
        shown.line(f"{done.curves}: losses, and how large the updates are against the weights.")


def _config(arguments: argparse.Namespace) -> RunConfig:
    from dataclasses import replace

    from ..config import Preview, RunConfig, read_config
    from ..training import TrainingSettings

    if arguments.config is not None:
        refuse(arguments, DATA, "does not go with --config, which says what is learned.")
        config = read_config(arguments.config, strict=arguments.strict)
    else:
        refuse(arguments, ["strict"], "is for --config.")
        clips = _clips(arguments)
        mode = arguments.mode or ("appearance" if arguments.images else "both")
        if arguments.images and mode != "appearance":
            raise DisMoError(
                f"--mode {mode} needs clips: pictures have no motion. Give --video or --videos, or leave --mode out."
            )
        training = TrainingSettings(
            motion=mode != "appearance", appearance=mode != "motion", single_appearance=bool(arguments.images)
        )
        config = RunConfig(
            base="tiny",
            output=Path("outputs/train"),
            clips=clips,
            size=_size(arguments, (8, 8)),
            training=training,
            preview=Preview(frames=arguments.frames, steps=0, guidance=0.0),
            fps=arguments.fps,
        )
    changes = {
        field: getattr(arguments, name) for name, field in TRAINING.items() if getattr(arguments, name) is not None
    }
    preview = config.preview
    if arguments.preview_prompt:
        preview = replace(preview, prompts=tuple(arguments.preview_prompt))
    if arguments.preview_every is not None:
        preview = replace(preview, every=arguments.preview_every)
    if arguments.preview_prompt and not preview.every:
        refuse(arguments, ["preview_prompt"], "needs --preview-every: no previews are made else.")
    return replace(config, training=replace(config.training, **changes), preview=preview)


def _clips(arguments: argparse.Namespace) -> Callable[[], list[Clip]]:
    """What reads the clips; their files must be there."""
    from ..clips import folder_clips, picture_clips, video_chunks

    given = [name for name in ("video", "videos", "images") if getattr(arguments, name)]
    if len(given) != 1:
        raise DisMoError(
            f"Give one of --config, --video, --videos and --images; given are {', '.join(given) or 'none'}."
        )
    if given != ["video"]:
        refuse(arguments, ("start", "end"), "is for --video.")
    if given == ["images"]:
        refuse(arguments, ("fps", "frames"), "is for clips.")
    if arguments.frames < 1 or not 0 < arguments.fps <= 1000:
        raise DisMoError(
            f"--frames must be at least 1 and --fps 0 to 1000, not {arguments.frames} and {arguments.fps:g}."
        )
    paths = arguments.images or [arguments.video or arguments.videos]
    for path in paths:
        if not Path(path).exists():
            raise DisMoError(f"There is no {path}. Check the path of --{given[0]}.")

    if arguments.video:
        return partial(
            video_chunks,
            arguments.video,
            arguments.caption,
            frames=arguments.frames,
            fps=arguments.fps,
            start=arguments.start,
            end=arguments.end,
        )
    if arguments.videos:
        return partial(folder_clips, arguments.videos, arguments.caption, frames=arguments.frames, fps=arguments.fps)
    return partial(picture_clips, paths[0] if len(paths) == 1 else paths, arguments.caption)


def _size(arguments: argparse.Namespace, own: tuple[int, int]) -> Any:
    from ..clips import Size

    if not (arguments.width or arguments.height):
        return Size(*own)  # until the base's own is known
    return Size(arguments.width or arguments.height, arguments.height or arguments.width, arguments.fit)


def _sized(arguments: argparse.Namespace, config: RunConfig, own: tuple[int, int]) -> RunConfig:
    """The config with the size of the base, where none was asked for."""
    from dataclasses import replace

    from ..clips import Size

    if arguments.config is not None or arguments.width or arguments.height:
        return config
    return replace(config, size=Size(*own, arguments.fit))
