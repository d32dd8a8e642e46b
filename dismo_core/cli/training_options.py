"""Options that every training command has, and what they mean."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DisMoError
from .given import refuse
from .libraries import require_libraries
from .options import check_device, check_input

if TYPE_CHECKING:
    import torch

    from ..training.loop import Schedule

SCHEDULE = ("steps", "lr", "warmup", "clip", "average", "accumulation", "save_every", "log_every", "draw_every", "keep")


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
    group.add_argument("--device", help="cpu, cuda, mps (default: cuda where there is one; on drawn clips cpu)")
    group.add_argument("--wandb", metavar="PROJECT", help="log to this Weights & Biases project as well")
    group.add_argument(
        "--draw-every",
        type=int,
        metavar="STEPS",
        help="between sample transfers in the log (needs TensorBoard or --wandb)",
    )


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


def check_files(arguments: argparse.Namespace, *names: str) -> None:
    """Raise where a file that one of the options names is not there."""
    for name in names:
        if getattr(arguments, name) is not None:
            check_input(getattr(arguments, name), "weights")


def check_boards(arguments: argparse.Namespace) -> None:
    """Raise where pictures or numbers are asked for, and nothing is there that would show them."""
    if arguments.wandb is not None:
        require_libraries("wandb")
    elif importlib.util.find_spec("tensorboard") is None:
        refuse(
            arguments, ["draw_every"], "needs something that shows pictures: pip install tensorboard, or give --wandb."
        )


def check_folder(arguments: argparse.Namespace) -> None:
    """Raise where a run in the folder must not be resumed."""
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

    return check_device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def precision(arguments: argparse.Namespace, where: torch.device) -> torch.dtype | None:
    """Dtype of matrix products; with 16 bits what stays float32 may be rounded to TF32 on a GPU, as published."""
    import torch

    if arguments.precision == "fp32" or (arguments.precision == "auto" and where.type != "cuda"):
        return None
    torch.set_float32_matmul_precision("high")
    return torch.float16 if arguments.precision == "fp16" else torch.bfloat16
