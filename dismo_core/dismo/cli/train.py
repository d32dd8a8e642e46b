"""`dismo train tiny|small|large --data SHARDS --out FOLDER`; `dismo train tiny|layered --out FOLDER`, on drawn clips."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import check_device
from ...cli.processes import launched_processes
from ...cli.progress import display
from ...cli.training_options import (
    SCHEDULE,
    add_data,
    add_optimisation,
    add_run,
    changed_schedule,
    check_boards,
    check_files,
    check_folder,
    check_numbers,
    device,
    precision,
    workers,
)
from ...cli.training_report import TrainingReport
from ...errors import DisMoError
from .train_layered import train_layered
from .train_text_to_video import STEPS as STEPS_OF_BASE
from .train_text_to_video import train_text_to_video

BOTH = {"seed": "seed", "batch": "clips"}  # options that mean the same with and without --data -> field of `TinyRecipe`
ON_DRAWN = ("start", "warmup_steps", "joint_steps", "anneal_steps", "refine_steps")
# What training on drawn clips would leave unheeded.
ON_VIDEOS = (
    *SCHEDULE,
    "precision",
    "workers",
    "wandb",
    "load_checkpoint",
    "dino",
    "autoencoder",
    "download",
    "reference",
    "no_borders",
    "fsdp",
)


# What training a layered model would leave unheeded.
NOT_LAYERED = (
    *(name for name in ON_VIDEOS if name not in SCHEDULE),
    *ON_DRAWN,
    "data",
    "batch",
    "compile",
    "draw_every",
    "accumulation",
)
# What training a text-to-video base would leave unheeded.
NOT_TEXT_TO_VIDEO = (*NOT_LAYERED, *SCHEDULE, "device")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train a motion extractor and a frame generator, or a layered model for an extractor",
        description="Train a motion extractor with its frame generator on video shards (--data), or dismo-tiny on drawn clips: that "
        "takes about 14 hours of one CPU core. Others are made for GPUs; after some steps it says how long it will take. Goes on "
        "where it was stopped. Several GPUs: torchrun --nproc-per-node 8 -m dismo_core train ... `layered` fits a layered model to an "
        "extractor on drawn clips: about 70 minutes of one CPU core for the tiny one. `text-to-video-tiny` trains the text-to-video base "
        "for MotionDirector: some hours of one CPU core.",
    )
    parser.add_argument(
        "preset", choices=("tiny", "small", "large", "layered", "text-to-video-tiny"), help="what to train"
    )
    add_run(parser)
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="use torch.compile (default: on drawn clips yes, on videos no); needs a C++ compiler",
    )
    videos = parser.add_argument_group("training on videos")
    add_data(videos, required=False)
    add_optimisation(videos)
    videos.add_argument(
        "--load-checkpoint", "--load_checkpoint", type=Path, metavar="FILE",
        help="begin with these extractor weights (.pt, .safetensors), for example the released ones",
    )  # fmt: skip
    videos.add_argument(
        "--dino", type=Path, metavar="FILE", help="begin both DINO encoders with these DINOv2 weights (with registers)"
    )
    videos.add_argument(
        "--autoencoder",
        type=Path,
        metavar="FOLDER",
        help="small, large: diffusers folder of TAESD (default: the hub's cache)",
    )
    videos.add_argument("--download", action="store_true", help="small, large: allow the download of TAESD (10 MB)")
    videos.add_argument(
        "--reference", action="store_true", help="rank-wise seeds and a shuffle buffer as in the published pipeline"
    )
    videos.add_argument(
        "--no-borders",
        action="store_true",
        help="shrink turned crops until they hold no repeated borders (published: they do)",
    )
    videos.add_argument(
        "--fsdp",
        action=argparse.BooleanOptionalAction,
        help="under torchrun: share out weights and optimizer among the GPUs instead of copying them (default: large yes, others no)",
    )
    drawn = parser.add_argument_group("training dismo-tiny on drawn clips (without --data)")
    drawn.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="begin with the finished weights in this folder; they need no labels: add --warmup-steps 0 --anneal-steps 0",
    )
    drawn.add_argument("--warmup-steps", type=int, help="optimizer steps of the first stage")
    drawn.add_argument("--joint-steps", type=int, help="optimizer steps of the second stage")
    drawn.add_argument(
        "--anneal-steps", type=int, help="steps of the second stage over which the labels fade; 0 = none from the start"
    )
    drawn.add_argument("--refine-steps", type=int, help="optimizer steps of the third stage, the generator alone")
    layered = parser.add_argument_group("layered")
    layered.add_argument(
        "--extractor",
        default="tiny",
        help="whose embeddings the head reads: tiny, large, or a file of extractor weights (default tiny)",
    )
    layered.add_argument(
        "--clips", type=int, help="drawn clips that the head is fitted to (default 12800); --steps are the segmenter's"
    )
    video = parser.add_argument_group("text-to-video-tiny")
    for name in STEPS_OF_BASE:
        stage = name.partition("_")[0]
        video.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"optimizer steps of the {stage}")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train and export."""
    check_numbers(arguments)
    if arguments.preset == "layered":
        refuse(arguments, NOT_LAYERED, "has no part in training a layered model.")
        refuse(arguments, STEPS_OF_BASE, "belongs to `dismo train text-to-video-tiny`.")
        train_layered(arguments)
        return
    refuse(arguments, ("extractor", "clips"), "belongs to `dismo train layered`.")
    if arguments.preset == "text-to-video-tiny":
        refuse(arguments, NOT_TEXT_TO_VIDEO, "has no part in training a text-to-video base.")
        train_text_to_video(arguments)
        return
    refuse(arguments, STEPS_OF_BASE, "belongs to `dismo train text-to-video-tiny`.")
    if arguments.data is None:
        if arguments.preset != "tiny":
            raise DisMoError(
                f"The preset {arguments.preset} is trained on videos. Give shards with --data; `dismo shards` makes them."
            )
        refuse(
            arguments,
            ON_VIDEOS,
            "belongs to training on videos: give shards with --data. On drawn clips --warmup-steps, --joint-steps and "
            "--refine-steps say how long.",
        )
        if launched_processes() > 1:
            raise DisMoError(
                "On drawn clips one process trains. Start it without torchrun, or give shards with --data."
            )
        _train_drawn(arguments)
        return
    refuse(arguments, ON_DRAWN, "belongs to training on drawn clips; with --data, --steps says how long.")
    if launched_processes() == 1:
        refuse(arguments, ["fsdp"], "is for several processes: start them with torchrun.")
    if arguments.preset == "tiny":
        refuse(arguments, ["dino", "autoencoder", "download"], "is for small and large: tiny has no DINO and no TAESD.")
    if arguments.autoencoder is not None:
        refuse(arguments, ["download"], "does not go with --autoencoder, which is there already.")
    _train_videos(arguments)


def _train_drawn(arguments: argparse.Namespace) -> None:
    from ..training.export import export_tiny
    from ..training.tiny import STEP_COSTS, TinyRecipe, train_tiny

    changes = {name: getattr(arguments, name) for name in ON_DRAWN if name in arguments.given and name != "start"}
    for name, steps in changes.items():
        if steps < 0:
            raise DisMoError(f"{arguments.given[name]} must be at least 0, not {steps}.")
    changes |= {field: getattr(arguments, name) for name, field in BOTH.items() if getattr(arguments, name) is not None}
    recipe = TinyRecipe(**changes, compile=arguments.compile is not False)
    if arguments.start is not None and not arguments.start.is_dir():
        raise DisMoError(f"There is no folder {arguments.start} with finished weights. Check the path of --start.")
    check_folder(arguments)
    where = check_device(arguments.device or "cpu")
    stages = {name: getattr(recipe, f"{name}_steps") for name in STEP_COSTS}
    print(
        f"Training dismo-tiny on drawn clips, {recipe.clips} at a time, in {arguments.out}: "
        f"{', '.join(f'{steps} {name} steps' for name, steps in stages.items())}. "
        "The whole recipe takes about 14 hours of one CPU core; after some steps comes an estimate. Stop it with Ctrl-C and start "
        "it again to go on.",
        flush=True,
    )
    with display("Drawing the first clips, compiling" if recipe.compile else "Drawing the first clips") as shown:
        report = TrainingReport(shown, stages, STEP_COSTS)
        extractor, generator = train_tiny(arguments.out, recipe, report, arguments.start, where)
    for path in export_tiny(extractor, generator, arguments.out):
        print(f"Wrote {path}")


def _train_videos(arguments: argparse.Namespace) -> None:
    import torch

    from ...data.addresses import find_shards
    from ...training.distributed import joined
    from ..training.presets import PRESETS, build
    from ..training.videos import VideoData, export, train_videos

    preset = PRESETS[arguments.preset]
    schedule = changed_schedule(preset.schedule, arguments)
    seed = 42 if arguments.seed is None else arguments.seed
    shards = find_shards(arguments.data)
    check_files(arguments, "load_checkpoint", "dino")
    check_folder(arguments)
    check_boards(arguments)
    batch = preset.batch if arguments.batch is None else arguments.batch
    data = VideoData(shards, batch, preset.size, seed, workers(arguments), arguments.reference, arguments.no_borders)
    sharded = preset.sharded if arguments.fsdp is None else arguments.fsdp
    with joined(device(arguments), sharded) as world, display("Loading the models") as shown:
        if world.main:
            shown.line(
                f"Training {arguments.preset} on the videos of {len(shards)} shards in {arguments.out}: {schedule.steps} steps of "
                f"{batch * schedule.accumulation * world.size} clips on {world.device}. After some steps comes an estimate of the time."
            )
        torch.manual_seed(seed)  # the start of the weights, alike in all processes
        extractor, generator = build(
            preset,
            autoencoder=arguments.autoencoder,
            download=arguments.download,
            dino=arguments.dino,
            extractor_weights=arguments.load_checkpoint,
        )
        report = TrainingReport(shown, {arguments.preset: schedule.steps})
        shown.stage("Reading the first clips")
        models = train_videos(
            arguments.out,
            extractor,
            generator,
            data,
            schedule,
            shift=preset.shift,
            world=world,
            compile=bool(arguments.compile),
            autocast=precision(arguments, world.device),
            wandb=arguments.wandb,
            progress=lambda done, total, row: report(arguments.preset, done, total, row),
        )
        for path in export(*models, arguments.out, world):
            print(f"Wrote {path}")
