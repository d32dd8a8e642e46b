"""`dismo shards FOLDER -o shards/`, and `dismo shards SHARDS --check`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..errors import DisMoError
from ..files import printable
from .given import refuse
from .libraries import require_libraries
from .progress import display

_SHOWN = 20  # faults that are printed one by one


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "shards",
        help="pack a folder of videos for training, or check what was packed",
        description="Pack a folder of videos into webdataset tars for training; goes on where it was stopped. Videos that "
        "training could not use are left out and reported.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of videos; with --check: a folder of tars, or one tar")
    parser.add_argument("-o", "--output", default="shards", metavar="FOLDER", help="takes the tars (default shards)")
    parser.add_argument(
        "--captions",
        metavar="FILE",
        help="CSV or JSONL with the columns file_name and caption (default: metadata.csv, metadata.jsonl, captions.csv or "
        "captions.jsonl in the folder, else NAME.txt beside each video)",
    )
    parser.add_argument("--shard-size", type=int, default=500, metavar="MB", help="videos in one tar (default 500 MB)")
    parser.add_argument("--check", action="store_true", help="look at every video of existing shards; writes nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write or check, and report."""
    if arguments.check:
        refuse(arguments, ("output", "captions", "shard_size"), "does not go with --check, which writes nothing.")
        _check(arguments.folder)
    else:
        _write(arguments)


def _write(arguments: argparse.Namespace) -> None:
    from ..data.write import MEGABYTE, write_shards

    if arguments.shard_size < 1:
        raise DisMoError(f"--shard-size must be at least 1 (MB), not {arguments.shard_size}.")
    require_libraries("webdataset")
    with display("Packing videos") as shown:
        report = write_shards(
            arguments.folder,
            arguments.output,
            captions=arguments.captions,
            shard_size=arguments.shard_size * MEGABYTE,
            progress=shown.progress,
        )
    videos = sum(report.shards.values())
    print(f"{arguments.output}: {videos} videos in {len(report.shards)} shards, {report.captions} with captions.")
    _print_faults(report.skipped)
    if not videos:
        raise DisMoError(f"None of the videos in {arguments.folder} can be used; the reasons are above.")


def _check(folder: str) -> None:
    from ..data.addresses import find_shards
    from ..data.check import check_shards

    shards = find_shards([folder])
    with display("Checking shards") as shown:
        report = check_shards(shards, shown.progress)
    print(f"{report.videos} videos in {len(shards)} shards are fit for training, {report.captions} have captions.")
    _print_faults([(f"{shard}: {name}", reason, detail) for shard, name, reason, detail in report.faults])
    if report.faults:
        raise DisMoError(
            f"The shards have {len(report.faults)} faults. Training leaves these entries out; pack the videos again to be rid of them."
        )


def _print_faults(faults: Sequence[tuple[str, str, str]]) -> None:
    """A count for each reason, then the first faults one by one."""
    if not faults:
        return
    counts = Counter(reason for _, reason, _ in faults)
    print(f"Left out: {len(faults)} ({', '.join(f'{reason} {count}' for reason, count in counts.most_common())}).")
    for name, reason, detail in faults[:_SHOWN]:
        print(f"  {printable(name)}: {reason} ({detail})")
    if len(faults) > _SHOWN:
        print(f"  ... and {len(faults) - _SHOWN} more.")
