"""`dismo train tiny --out FOLDER`: the run that made the bundled weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DisMoError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train dismo-tiny on drawn clips",
        description="Train dismo-tiny on drawn clips; goes on where it was stopped. Repeats the run that made the bundled weights.",
    )
    parser.add_argument("preset", choices=("tiny",), help="what to train")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="takes checkpoints, logs and the finished weights"
    )
    parser.add_argument("--no-resume", action="store_true", help="begin anew; refuses a folder that holds a run")
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="begin with the finished weights in this folder; they need no labels: add --warmup-steps 0 --anneal-steps 0",
    )
    parser.add_argument("--warmup-steps", type=int, help="optimizer steps of the first stage")
    parser.add_argument("--joint-steps", type=int, help="optimizer steps of the second stage")
    parser.add_argument(
        "--anneal-steps", type=int, help="steps of the second stage over which the labels fade; 0 = none from the start"
    )
    parser.add_argument("--seed", type=int, help="of data, noise and start")
    parser.add_argument(
        "--no-compile", action="store_true", help="do without torch.compile (slower; no C++ compiler needed)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train and export."""
    from rich.console import Console

    from ..training.export import export_tiny
    from ..training.tiny import TinyRecipe, train_tiny

    if arguments.no_resume and arguments.out.exists() and any(arguments.out.iterdir()):
        raise DisMoError(
            f"{arguments.out} is not empty. Choose another folder, or go on with that run (without --no-resume)."
        )
    names = ("warmup_steps", "joint_steps", "anneal_steps", "seed")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    recipe = TinyRecipe(**given, compile=not arguments.no_compile)
    console = Console()

    def report(stage: str, done: int, total: int, row: dict[str, float]) -> None:
        shown = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "lr"))
        console.print(f"{stage:<12} {done:>6}/{total}  {shown}", highlight=False)

    extractor, generator = train_tiny(arguments.out, recipe, report, arguments.start)
    for path in export_tiny(extractor, generator, arguments.out):
        console.print(f"Wrote {path}")
