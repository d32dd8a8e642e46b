"""`dismo finetune --base FOLDER --data SHARDS --out FOLDER`: the CogVideoX motion adapter on one's own footage."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import check_range
from ...cli.progress import display
from ...cli.training_options import (
    add_data,
    add_optimisation,
    add_run,
    changed_schedule,
    check_boards,
    check_folder,
    check_numbers,
    device,
    precision,
    workers,
)
from ...cli.training_report import TrainingReport
from ...errors import DisMoError

if TYPE_CHECKING:
    import torch

    from ..adapter.adapter import CogVideoXMotionAdapter


LONGEST = 49  # frames that CogVideoX makes in one go


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "finetune",
        help="train the motion adapter of CogVideoX on your own footage",
        description="Train the motion adapter on a CogVideoX-5B-I2V base with video shards (captions from the shards). Base and "
        "extractor stay as they are. Made for a GPU; 40,000 steps, if --steps does not say otherwise, take days: after some steps it "
        "says how long. Goes on where it was stopped. Several GPUs: torchrun --nproc-per-node 8 -m dismo_core finetune ...",
    )
    add_run(parser)
    parser.add_argument(
        "--base", required=True, help="diffusers folder of CogVideoX-5B-I2V, or its hub id if it is here"
    )
    parser.add_argument(
        "--load-checkpoint", "--load_checkpoint", metavar="FILE",
        help="begin with this adapter: `large` (released) or a file; otherwise it begins from nothing",
    )  # fmt: skip
    parser.add_argument(
        "--extractor", metavar="NAME",
        help="motion extractor of a new adapter: `large` (default), `tiny` or a file; else only if the adapter's file has none",
    )  # fmt: skip
    parser.add_argument(
        "--rank", type=int, default=128, help="of a new adapter's LoRA; alpha is half of it (default 128)"
    )
    parser.add_argument("--frames", type=int, default=25, help="of a clip: 9, 17, 25, ... 49 (default 25)")
    parser.add_argument("--fps", type=float, default=8.0, help="at which clips are sampled (default 8)")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER",
        help="keep latents, motion and text of one clip of each video here: faster, and the text encoder leaves the memory",
    )  # fmt: skip
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the blocks of the base: slow to begin, then faster; needs a C++ compiler",
    )
    add_data(parser, required=True)
    add_optimisation(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train and export."""
    import torch

    from ...cogvideox.base import base_folder
    from ...cogvideox.checks import valid_lengths
    from ...data.addresses import find_shards
    from ...training.distributed import joined
    from ..training.finetune import SCHEDULE, Footage, export, finetune

    if arguments.load_checkpoint is not None:
        refuse(arguments, ["rank"], "is for a new adapter: the one of --load-checkpoint has its own.")
    if arguments.cache is not None:
        refuse(
            arguments, ["workers"], "does not go with --cache: latents are read as they are, and nothing is decoded."
        )
    check_numbers(arguments)
    check_range(arguments, "rank", 1, 4096)
    check_range(arguments, "fps", 0.1, 1000)
    if arguments.frames not in (lengths := valid_lengths(LONGEST)):
        raise DisMoError(f"--frames must be one of {', '.join(map(str, lengths))}, not {arguments.frames}.")
    shards = find_shards(arguments.data)
    check_boards(arguments)
    check_folder(arguments)
    schedule = changed_schedule(SCHEDULE, arguments)
    seed = 42 if arguments.seed is None else arguments.seed
    footage = Footage(
        shards,
        1 if arguments.batch is None else arguments.batch,
        arguments.frames,
        arguments.fps,
        seed,
        workers(arguments),
        arguments.cache,
    )
    base = base_folder(arguments.base)
    with joined(device(arguments)) as world, display("Loading CogVideoX and the adapter") as shown:
        if world.main:
            shown.line(
                f"Training the motion adapter on the videos of {len(shards)} shards in {arguments.out}: {schedule.steps} steps of "
                f"{footage.batch * schedule.accumulation * world.size} clips on {world.device}. After some steps comes an estimate "
                "of the time."
            )
        report = TrainingReport(shown, {"finetune": schedule.steps})
        torch.manual_seed(seed)  # the start of the weights, alike in all processes
        adapter = _adapter(arguments, base, precision(arguments, world.device) or torch.float32)
        shown.stage("Reading the first clips")
        finetune(
            arguments.out,
            adapter,
            footage,
            schedule,
            world=world,
            compile=arguments.compile,
            wandb=arguments.wandb,
            progress=lambda done, total, row: report("finetune", done, total, row),
            caching=shown.counter("Caching latents"),
        )
        if world.main:
            shown.line(f"Wrote {export(adapter, arguments.out)}")


def _adapter(arguments: argparse.Namespace, base: Path, dtype: torch.dtype) -> CogVideoXMotionAdapter:
    from ..adapter.adapter import CogVideoXMotionAdapter
    from ..weights import load_cogvideox_adapter, load_motion_extractor

    if arguments.load_checkpoint is not None:
        extractor = None if arguments.extractor is None else load_motion_extractor(arguments.extractor)
        return load_cogvideox_adapter(arguments.load_checkpoint, base=base, motion_extractor=extractor, dtype=dtype)
    extractor = load_motion_extractor(arguments.extractor or "large")
    return CogVideoXMotionAdapter(base, extractor, rank=arguments.rank, alpha=arguments.rank / 2, dtype=dtype)
