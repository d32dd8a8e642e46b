"""`dismo evaluate transfer SOURCE GENERATED`: do generated videos move as their sources do?"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from typing import Any

from ..errors import DisMoError
from ..files import printable
from .given import refuse
from .libraries import require_libraries
from .options import add_device, check_device
from .progress import display

log = logging.getLogger(__name__)

HEADINGS = {
    "fidelity": "fidelity",
    "itself": "source itself",
    "another": "another source",
    "still": "still",
    "prompt": "CLIP prompt",
    "picture": "CLIP picture",
}


def add_transfer(actions: Any) -> None:
    """Register `transfer`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "transfer",
        help="motion fidelity of generated videos",
        description="Motion fidelity of generated videos after Yatim et al. 2024, -1 to 1, beside three controls: the source itself, "
        "another source, and a still. With --clip also how alike the frames are to the prompt and to the picture.",
    )
    parser.add_argument("source", metavar="SOURCE", help="the driving clip, or a folder of driving clips")
    parser.add_argument(
        "generated",
        metavar="GENERATED",
        help="the generated video; or a folder, whose NAME.mp4 and NAME__anything.mp4 belong to the source NAME. A .txt of the "
        "same name beside it is its prompt, a .png or .jpg its picture",
    )
    parser.add_argument(
        "--start",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="where in the sources the motion was taken (default 0)",
    )
    parser.add_argument("--clip", metavar="FOLDER", help="a CLIP model on this machine, as transformers saves it")
    parser.add_argument(
        "-o",
        "--output",
        default="transfer.json",
        metavar="JSON",
        help="takes the numbers (default transfer.json); a .png goes beside it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    add_device(parser)
    parser.set_defaults(run=transfer)


def transfer(arguments: argparse.Namespace) -> None:
    """Pair, measure, report."""
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.plots import bar_plot
    from ..evaluation.report import check_report, plot_path, write_report
    from ..evaluation.similarity import ClipSimilarity
    from ..evaluation.transfer import find_pairs, means, measure_pair, other_source
    from ..video.read import check_sampling

    if not arguments.clip:
        refuse(
            arguments,
            ("device",),
            "is where the CLIP model runs: give one with --clip. Points are followed on the CPU.",
        )
    pairs, alone = find_pairs(arguments.source, arguments.generated)
    check_sampling(1, arguments.start, None)
    check_report(arguments.output, overwrite=arguments.overwrite)
    require_libraries("cv2", "matplotlib")
    similarity = ClipSimilarity(arguments.clip, check_device(arguments.device)) if arguments.clip else None
    if similarity and not any(pair.prompt or pair.picture for pair in pairs):
        log.warning("--clip changes nothing: beside no generated video lies a .txt with its prompt, or its picture.")
    rows, left_out = [], [(name, "no source has its name") for name in alone]
    with display("Following points") as progress:
        for index, pair in enumerate(pairs):
            try:
                other = other_source(pairs, index)
                rows.append(measure_pair(pair, other, start=arguments.start, similarity=similarity))
            except DisMoError as problem:
                left_out.append((pair.generated.name, str(problem)))
            progress.progress(index + 1, len(pairs))
    for name, why in left_out:
        print(f"Left out: {printable(name)}: {why}")
    if not rows:
        raise DisMoError("None of the pairs could be measured; the reasons are above.")

    mean = means(rows)
    shown = [name for name in HEADINGS if mean[name] is not None]
    table = Table("video", *(HEADINGS[name] for name in shown), title="Motion fidelity")
    for label, numbers in [*((row.generated, row.numbers()) for row in rows), ("mean", mean)]:
        table.add_row(label, *(_cell(numbers[name]) for name in shown), style="bold" if label == "mean" else "")
    Console().print(table)
    result = {
        "evaluation": "transfer",
        "start": arguments.start,
        "mean": mean,
        "videos": [asdict(row) for row in rows],
        "left_out": left_out,
    }
    drawn = [name for name in ("fidelity", "another", "still") if name in shown]
    labels = [*(row.generated for row in rows), "mean"] if len(rows) <= 24 else ["mean"]
    bars = [*(row.numbers() for row in rows), mean][-len(labels) :]
    series = {HEADINGS[name]: [numbers[name] for numbers in bars] for name in drawn}
    figure = bar_plot(labels, series, "Does it move as its source does?", "motion fidelity", {"source itself": 1.0})
    write_report(arguments.output, result, figure, overwrite=arguments.overwrite)
    print(f"{arguments.output}: the numbers; {plot_path(arguments.output)}: the plot.")


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
