"""Options and output that the evaluations on drawn scenes and real clips share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, check_device, check_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from ..evaluation.pipeline import Pipeline


def add_extractor(parser: argparse.ArgumentParser) -> None:
    """--extractor."""
    parser.add_argument("--extractor", default="tiny", help="tiny, or a weights file (default tiny)")


def add_models(parser: argparse.ArgumentParser) -> None:
    """--extractor --model --device."""
    add_extractor(parser)
    parser.add_argument(
        "--model",
        "--generator",
        default="layered",
        help="layered, tiny (the frame generator), or a weights file of either (default layered)",
    )
    add_device(parser)


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """--steps --seed."""
    parser.add_argument(
        "--steps", type=int, default=0, help="denoising steps of a frame generator; 0 = the model's own (default 0)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the sampling noise; the scenes are always the same (default 0)"
    )


def add_report(parser: argparse.ArgumentParser, name: str, sheet: str | None = None) -> None:
    """-o/--out, --overwrite, and --sheet where there is one: `sheet` says what is on it."""
    parser.add_argument("-o", "--out", default=name, metavar="JSON", help=f"takes the numbers (default {name})")
    if sheet is not None:
        parser.add_argument("--sheet", metavar="PNG", help=f"contact sheet: {sheet}")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def check_free(arguments: argparse.Namespace) -> None:
    """Raise where `write` would refuse; asked before long work."""
    from ... import files

    for path in (arguments.out, getattr(arguments, "sheet", None)):
        if path is not None:
            files.check_free(path, overwrite=arguments.overwrite)


def load_pipeline(arguments: argparse.Namespace) -> Pipeline:
    """The models that the options name."""
    from ..evaluation.pipeline import Pipeline

    if hasattr(arguments, "steps"):
        check_range(arguments, "steps", 0, 1000)
        if arguments.model == "layered":
            refuse(arguments, ("steps", "seed"), "belongs to the frame generator: give --model tiny.")
    return Pipeline(
        arguments.extractor,
        arguments.model,
        check_device(arguments.device),
        getattr(arguments, "steps", 0),
        getattr(arguments, "seed", 0),
    )


def console() -> Console:
    """Of the terminal's width; wide enough for every table where the output is no terminal."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 190)


def write(
    arguments: argparse.Namespace,
    evaluation: str,
    result: Mapping[str, Any],
    blocks: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]] = (),
    every: int = 3,
) -> None:
    """Write the numbers, and the contact sheet where one is asked for; say where.

    Args:
        arguments: with `out`, `overwrite` and maybe `sheet`.
        evaluation: its name, for the JSON file.
        result: the numbers.
        blocks: of the contact sheet, see `captioned_sheet`.
        every: of so many frames one is shown on it.
    """
    from ...evaluation.report import captioned_sheet, provenance, write_numbers
    from ...files import atomic_write

    whole = {"evaluation": evaluation, **provenance(), **result}
    write_numbers(arguments.out, whole, overwrite=arguments.overwrite)
    print(f"{arguments.out}: the numbers.")
    if getattr(arguments, "sheet", None):
        with atomic_write(arguments.sheet, overwrite=arguments.overwrite) as temporary:
            captioned_sheet(blocks, every).save(temporary, format="png")
        print(f"{arguments.sheet}: the contact sheet.")
