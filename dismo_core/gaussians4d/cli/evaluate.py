"""`dismo 4d evaluate`: the tables of a bundled clip and a drawn object, or a model against pictures from other sides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import add_device, check_input, check_range, progress_runtime
from ...errors import DisMoError
from .clip_options import check_clip

SIDES = (0, 30, 60, 90)


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "evaluate",
        help="how well clips and other sides are met",
        description="Without a model: fit the bundled clip and a drawn object whose other sides are known, with controls. With a model: "
        "compare it with pictures from other sides, a folder of numbered PNG files for each, as Consistent4D has them.",
    )
    parser.add_argument("model", type=Path, nargs="?", help="a 4D model (.safetensors)")
    parser.add_argument(
        "--truth",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="with a model: pictures of each side, in the order of --azimuths",
    )
    parser.add_argument("--azimuths", type=float, nargs="+", metavar="DEGREES", help="of these sides")
    parser.add_argument(
        "--clip", type=Path, metavar="FOLDER", help="a CLIP model on this machine, for similarity of pictures"
    )
    parser.add_argument("--seeds", type=int, default=3, help="without a model: fits of the bundled clip (default 3)")
    parser.add_argument(
        "--steps", type=int, default=0, help="without a model: of each fit (default 300; 150 of the object)"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="JSON file to write")
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    import json

    from ...files import atomic_write, check_free

    if arguments.out is not None:
        check_free(arguments.out, overwrite=arguments.overwrite)
    content = _tables(arguments) if arguments.model is None else _against(arguments)
    if arguments.out is not None:
        with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
            temporary.write_text(json.dumps(content, indent=1), "utf-8")


def _tables(arguments: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from ...assets.examples import example_clip
    from ..clip import prepare_clip, read_rgba
    from ..evaluate import OBJECT_STEPS, clip_rows, goals, interpolated, object_rows

    refuse(arguments, ("truth", "azimuths", "clip"), "is for a model: name one.")
    check_range(arguments, "seeds", 1, 100)
    check_range(arguments, "steps", 0, 100_000)
    steps = arguments.steps or 300
    with progress_runtime("Fitting the drawn object", arguments.device) as runtime:
        thing = dict(object_rows(min(steps, OBJECT_STEPS), runtime))
        runtime.stage("fitting the clip")
        clip = prepare_clip(*read_rgba(example_clip("fish")))
        rows = dict(clip_rows(clip, arguments.seeds, steps, runtime))
        between = interpolated(clip, steps, runtime)
    terminal = Console(width=140)
    table = Table(title="The bundled clip: dB, agreement of masks, area at 90 degrees, unrest by side")
    for column in ("", "known view", "worst", "masks", "over still", "area 90", "unrest 30, 60, 90, 180"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        unrest = ", ".join(f"{value:.2f}" for value in row.jitter.values())
        figures = (f"{row.psnr:.1f}", f"{row.worst:.1f}", f"{row.iou:.3f}", f"{row.gain:.1f}", f"{row.side_area:.2f}")
        table.add_row(name, *figures, unrest)
    terminal.print(table)
    terminal.print(f"Fitted to every second frame, those between: {between:.1f} dB")
    table = Table(title="The drawn object, against truth: dB / SSIM / agreement of masks")
    for column in ("", *(f"{side} degrees" for side in SIDES)):
        table.add_column(column, justify="right")
    for name, views in thing.items():
        table.add_row(name, *(f"{v.psnr:.1f} / {v.ssim:.2f} / {v.iou:.2f}" for v in views.values()))
    terminal.print(table)
    reached = goals(rows, thing)
    for goal, good in reached.items():
        terminal.print(f"{'reached' if good else 'MISSED '}  {goal}")
    return {
        "clip": {name: asdict(row) for name, row in rows.items()},
        "between": between,
        "object": {name: {side: asdict(view) for side, view in views.items()} for name, views in thing.items()},
        "goals": reached,
    }


def _against(arguments: argparse.Namespace) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    from ...evaluation.similarity import ClipSimilarity
    from ..clip import read_rgba
    from ..compare_views import compare_view
    from ..model4d import Gaussians4D

    refuse(arguments, ("seeds", "steps"), "changes nothing for a model that is there.")
    check_input(arguments.model, "4D model")
    truth, azimuths = arguments.truth or [], arguments.azimuths or []
    if not truth or len(truth) != len(azimuths):
        raise DisMoError(
            f"There are {len(truth)} folders and {len(azimuths)} azimuths. Give --truth with a folder for each side and --azimuths "
            "with the degrees of each, such as --truth a b --azimuths -75 15."
        )
    for folder in truth:
        check_clip(folder, "folder")
    table = Table(title="Against pictures from other sides")
    for column in ("azimuth", "dB", "SSIM", "CLIP", "unrest", "of the truth"):
        table.add_column(column, justify="right")
    found = {}
    with progress_runtime("Comparing", arguments.device) as runtime:
        similarity = None if arguments.clip is None else ClipSimilarity(arguments.clip, str(runtime.device))
        four = Gaussians4D.load(arguments.model).to(runtime.device)
        for number, (folder, azimuth) in enumerate(zip(truth, azimuths, strict=True)):
            frames, _ = read_rgba(folder)
            row = compare_view(four, frames, azimuth, similarity)
            found[f"{azimuth:g}"] = row
            words = ("-" if value is None else f"{value:.3g}" for value in row.values())
            table.add_row(f"{azimuth:g}", *words)
            runtime.progress(number + 1, len(truth), None)
    Console(width=120).print(table)
    return found
