"""`dismo train tiny|small|large --data SHARDS --out FOLDER`, and `dismo train tiny --out FOLDER`: dismo-tiny on drawn clips."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DisMoError

if TYPE_CHECKING:
    import torch

    from ..training.loop import Schedule

BOTH = {"seed": "seed", "batch": "clips"}  # options that mean the same with and without --data -> field of `TinyRecipe`
DRAWN = ("start", "warmup_steps", "joint_steps", "anneal_steps", "refine_steps")
SCHEDULE = ("steps", "lr", "warmup", "clip", "average", "accumulation", "save_every", "log_every", "draw_every", "keep")
# What training on drawn clips would leave unheeded.
FILMED = (
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
OPTIONS = {"warmup": "lr_warmup"}  # where an option is called otherwise than its field


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train a motion extractor and a frame generator",
        description="Train a motion extractor with its frame generator on video shards (--data), or dismo-tiny on drawn clips. "
        "Goes on where it was stopped. Several GPUs: torchrun --nproc-per-node 8 -m dismo_core train ...",
    )
    parser.add_argument("preset", choices=("tiny", "small", "large"), help="what to train")
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
        "--autoencoder", type=Path, metavar="FOLDER", help="diffusers folder of TAESD (default: the hub's cache)"
    )
    videos.add_argument("--download", action="store_true", help="allow the download of TAESD (10 MB)")
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
    parser.set_defaults(run=run)


def add_run(parser: Any) -> None:
    """--out --resume --seed."""
    parser.add_argument(
        "--out", "--out-dir", "--out_dir", required=True, type=Path, metavar="FOLDER",
        help="takes checkpoints, logs and the finished weights",
    )  # fmt: skip
    parser.add_argument(
        "--resume", choices=("auto", "never"), default="auto",
        help="auto (default): go on with the run in the folder; never: refuse a folder that holds one",
    )  # fmt: skip
    parser.add_argument("--no-resume", action="store_const", dest="resume", const="never", help="--resume never")
    parser.add_argument("--seed", type=int, help="of data, noise and start")


def add_data(group: Any, *, required: bool) -> None:
    """--data --batch --workers."""
    group.add_argument(
        "--data", "--data-paths", "--data_paths", nargs="+", required=required, metavar="SHARDS",
        help="folders of .tar shards, tars, patterns (part-{000..127}.tar) or addresses; make them with `dismo shards`",
    )  # fmt: skip
    group.add_argument(
        "--batch", "--local-batch-size", "--local_batch_size", type=int, metavar="CLIPS",
        help="clips of one process in a batch (default: the preset's)",
    )  # fmt: skip
    group.add_argument(
        "--workers", "--num-workers", "--num_workers", type=int,
        help="decoding processes of each training process (default: one a core, at most 16); 0 = none",
    )  # fmt: skip


def add_optimisation(group: Any) -> None:
    """Whatever changes a schedule, and where and how it runs; names as in `SCHEDULE`."""
    group.add_argument("--steps", "--max-steps", "--max_steps", type=int, help="optimizer steps in all")
    group.add_argument("--lr", type=float, help="peak learning rate")
    group.add_argument("--lr-warmup", dest="warmup", type=int, metavar="STEPS", help="steps of linear warm-up")
    group.add_argument("--clip", type=float, metavar="NORM", help="largest gradient norm")
    group.add_argument("--average", type=float, metavar="DECAY", help="average the weights, for example 0.9999")
    group.add_argument("--accumulation", type=int, metavar="N", help="batches to a step")
    group.add_argument("--save-every", type=int, metavar="STEPS", help="between checkpoints; a multiple of --log-every")
    group.add_argument("--log-every", type=int, metavar="STEPS", help="between rows of the log")
    group.add_argument("--keep", type=int, metavar="N", help="checkpoints that are kept (default 2)")
    group.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto",
        help="of matrix products: auto (default) is bf16 on a GPU and fp32 on a CPU; weights stay fp32",
    )  # fmt: skip
    group.add_argument("--device", help="cpu, cuda, mps (default: cuda where there is one)")
    group.add_argument("--wandb", metavar="PROJECT", help="log to this Weights & Biases project as well")
    group.add_argument(
        "--draw-every",
        type=int,
        metavar="STEPS",
        help="between sample transfers in the log (needs TensorBoard or --wandb)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train and export."""
    check_folder(arguments)
    check_numbers(arguments)
    given = [name for name in DRAWN if getattr(arguments, name) is not None]
    if arguments.data is None:
        if arguments.preset != "tiny":
            raise DisMoError(
                f"The preset {arguments.preset} is trained on videos. Give shards with --data; `dismo shards` makes them."
            )
        if ignored := [name for name in FILMED if getattr(arguments, name) not in (None, False, "auto")]:
            raise DisMoError(
                f"--{OPTIONS.get(ignored[0], ignored[0]).replace('_', '-')} belongs to training on videos: give shards with --data. "
                "On drawn clips --warmup-steps, --joint-steps and --refine-steps say how long."
            )
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise DisMoError(
                "On drawn clips one process trains. Start it without torchrun, or give shards with --data."
            )
        _train_drawn(arguments, given)
        return
    if given:
        option = given[0].replace("_", "-")
        raise DisMoError(f"--{option} belongs to training on drawn clips; with --data, --steps says how long.")
    _train_videos(arguments)


def _train_drawn(arguments: argparse.Namespace, given: list[str]) -> None:
    from ..training.export import export_tiny
    from ..training.tiny import TinyRecipe, train_tiny
    from .options import check_device

    changes = {name: getattr(arguments, name) for name in given if name != "start"}
    changes |= {field: getattr(arguments, name) for name, field in BOTH.items() if getattr(arguments, name) is not None}
    recipe = TinyRecipe(**changes, compile=arguments.compile is not False)
    report = printer()
    where = check_device(arguments.device or "cpu")
    extractor, generator = train_tiny(arguments.out, recipe, report, arguments.start, where)
    for path in export_tiny(extractor, generator, arguments.out):
        print(f"Wrote {path}")


def _train_videos(arguments: argparse.Namespace) -> None:
    import torch

    from ..data.addresses import find_shards
    from ..training.distributed import joined
    from ..training.presets import PRESETS, build
    from ..training.videos import VideoData, export, train_videos

    preset = PRESETS[arguments.preset]
    schedule = changed_schedule(preset.schedule, arguments)
    seed = 42 if arguments.seed is None else arguments.seed
    shards = find_shards(arguments.data)
    batch = preset.batch if arguments.batch is None else arguments.batch
    data = VideoData(shards, batch, preset.size, seed, workers(arguments), arguments.reference, arguments.no_borders)
    sharded = preset.sharded if arguments.fsdp is None else arguments.fsdp
    with joined(device(arguments), sharded) as world:
        torch.manual_seed(seed)  # the start of the weights, alike in all processes
        extractor, generator = build(
            preset,
            autoencoder=arguments.autoencoder,
            download=arguments.download,
            dino=arguments.dino,
            extractor_weights=arguments.load_checkpoint,
        )
        report = printer()
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


def workers(arguments: argparse.Namespace) -> int:
    """Decoding processes: those asked for, else one a core and at most 16."""
    count: int | None = arguments.workers
    return min(16, os.cpu_count() or 1) if count is None else count


def check_numbers(arguments: argparse.Namespace) -> None:
    """Raise where batch, workers or seed cannot be."""
    for name, least in (("batch", 1), ("workers", 0), ("seed", 0)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise DisMoError(f"--{name} must be at least {least}, not {value}.")


def check_folder(arguments: argparse.Namespace) -> None:
    """Raise where a run in the folder must not be gone on with."""
    if arguments.resume == "never" and arguments.out.exists() and any(arguments.out.iterdir()):
        raise DisMoError(
            f"{arguments.out} is not empty. Choose another folder, or go on with that run (without --no-resume)."
        )


def changed_schedule(schedule: Schedule, arguments: argparse.Namespace) -> Schedule:
    """The schedule with what the options change.

    Raises:
        DisMoError: a number that cannot be.
    """
    from dataclasses import replace

    names = [name for name in SCHEDULE if getattr(arguments, name, None) is not None]
    for name in names:
        if not getattr(arguments, name) > 0:
            raise DisMoError(f"--{name.replace('_', '-')} must be above 0, not {getattr(arguments, name)}.")
    schedule = replace(schedule, **{name: getattr(arguments, name) for name in names})
    if schedule.average is not None and not schedule.average < 1:
        raise DisMoError(f"--average must be below 1, not {schedule.average}.")
    return schedule


def device(arguments: argparse.Namespace) -> str:
    """The device asked for, where it is there; cuda else, or cpu."""
    import torch

    from .options import check_device

    return check_device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def precision(arguments: argparse.Namespace, where: torch.device) -> torch.dtype | None:
    """Dtype of matrix products; with bf16 what stays float32 may be rounded to TF32 on a GPU, as published."""
    import torch

    if arguments.precision == "fp32" or (arguments.precision == "auto" and where.type != "cuda"):
        return None
    torch.set_float32_matmul_precision("high")
    return torch.bfloat16


def printer() -> Callable[[str, int, int, dict[str, float]], None]:
    """A function that prints a row of the log: (stage, steps done, steps in all, numbers)."""
    from rich.console import Console

    console = Console()

    def report(stage: str, done: int, total: int, row: dict[str, float]) -> None:
        shown = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "lr"))
        console.print(f"{stage:<12} {done:>6}/{total}  {shown}", highlight=False)

    return report
