"""`dismo evaluate knn FOLDER` and `dismo evaluate disentangle FOLDER`: what the embeddings of labelled clips know."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import add_device, add_sampling_of_clip, check_device, progress_runtime

if TYPE_CHECKING:
    from torch import Tensor

    from ...evaluation.labelled import ClipVectors
    from ..models.extractor import MotionExtractor


def add_knn(actions: Any) -> None:
    """Register `knn`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "knn",
        help="zero-shot classification of actions or motions by nearest neighbours",
        description="Classify clips by the majority of their nearest neighbours: embeddings, mean over time, cosine. "
        "Every clip by all others; or, with --test, the clips of a second folder by those of the first.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="FOLDER/CLASS/clip.mp4")
    parser.add_argument("--test", metavar="FOLDER", help="clips to classify, in the same classes")
    parser.add_argument("-k", type=int, default=5, help="neighbours that vote (default 5)")
    _add_common(parser, "knn.json")
    parser.set_defaults(run=knn)


def add_disentangle(actions: Any) -> None:
    """Register `disentangle`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "disentangle",
        help="linear probes: motion should be readable from the embeddings, appearance should not",
        description="Logistic regression on embeddings (mean over time), cross-validated: of the motion, on appearances that the "
        "probe has not seen, and of the appearance. The same on pixel differences shows what a probe can find in these clips.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="FOLDER/MOTION/APPEARANCE/clip.mp4")
    _add_common(parser, "disentangle.json")
    parser.set_defaults(run=disentangle)


def knn(arguments: argparse.Namespace) -> None:
    """Embed, classify, report."""
    from rich.console import Console
    from rich.table import Table

    from ...evaluation.knn import classify, leave_one_out
    from ...evaluation.plots import confusion_plot
    from ...evaluation.report import check_report, write_report

    check_report(arguments.output, overwrite=arguments.overwrite)
    extractor = _extractor(arguments)
    known = _embedded(extractor, arguments.folder, 1, arguments)
    if arguments.test:
        asked = _embedded(extractor, arguments.test, 1, arguments)
        found = classify(asked.pooled, asked.column(0), known.pooled, known.column(0), arguments.k)
    else:
        asked = known
        found = leave_one_out(known.pooled, known.column(0), arguments.k)

    table = Table("class", "clips", "right", title=f"{arguments.k} nearest neighbours, % right")
    for name, share in found.by_class().items():
        table.add_row(name, str(found.truth.count(name)), f"{100 * share:.1f}")
    table.add_section()
    table.add_row("all", str(len(found.truth)), f"{100 * found.accuracy:.1f}")
    table.add_row("chance", "", f"{100 * found.chance:.1f}")
    Console().print(table)
    left_out = known.left_out + (asked.left_out if asked is not known else [])
    _print_left_out(left_out)
    result = {
        "evaluation": "knn",
        "extractor": extractor.extractor_id,
        "k": arguments.k,
        "sampling": _sampling(arguments),
        "clips": len(found.truth),
        "accuracy": found.accuracy,
        "chance": found.chance,
        "by_class": found.by_class(),
        "classes": found.classes,
        "confusion": found.confusion().tolist(),
        "left_out": left_out,
    }
    title = f"{100 * found.accuracy:.1f} % right, chance {100 * found.chance:.1f} %"
    write_report(arguments.output, result, confusion_plot(found, title), overwrite=arguments.overwrite)
    _print_written(arguments.output)


def disentangle(arguments: argparse.Namespace) -> None:
    """Embed, probe, report."""
    from rich.console import Console
    from rich.table import Table

    from ...evaluation.disentangle import probe
    from ...evaluation.plots import bar_plot
    from ...evaluation.report import check_report, write_report

    check_report(arguments.output, overwrite=arguments.overwrite)
    extractor = _extractor(arguments)
    clips = _embedded(extractor, arguments.folder, 2, arguments)
    motion, appearance = clips.column(0), clips.column(1)
    probes = {
        name: {"motion": probe(vectors, motion, groups=appearance), "appearance": probe(vectors, appearance)}
        for name, vectors in (("embeddings", clips.pooled), ("pixel differences", clips.differences))
    }
    chance = {what: found.chance for what, found in probes["embeddings"].items()}
    accuracy = {name: {what: found.accuracy for what, found in row.items()} for name, row in probes.items()}

    table = Table("% right", "motion", "appearance", title=f"Linear probes on {len(motion)} clips")
    for name, row in [*accuracy.items(), ("chance", chance)]:
        table.add_row(name, *(f"{100 * share:.1f}" for share in row.values()))
    Console().print(table)
    _print_left_out(clips.left_out)
    result = {
        "evaluation": "disentangle",
        "extractor": extractor.extractor_id,
        "sampling": _sampling(arguments),
        "clips": len(motion),
        "motions": sorted(set(motion)),
        "appearances": sorted(set(appearance)),
        "accuracy": accuracy,
        "chance": chance,
        "left_out": clips.left_out,
    }
    series = {name: [100 * row["motion"], 100 * row["appearance"]] for name, row in accuracy.items()}
    lines = {f"chance, {what}": 100 * share for what, share in chance.items()}
    figure = bar_plot(["motion", "appearance"], series, "What a linear probe reads", "% right", lines)
    write_report(arguments.output, result, figure, overwrite=arguments.overwrite)
    _print_written(arguments.output)


def _add_common(parser: argparse.ArgumentParser, output: str) -> None:
    parser.add_argument(
        "--extractor", default="tiny", help="tiny, large (released), or a file of extractor weights (default tiny)"
    )
    parser.add_argument(
        "-o",
        "--output",
        default=output,
        metavar="JSON",
        help=f"takes the numbers (default {output}); a .png goes beside it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    add_sampling_of_clip(parser)
    add_device(parser)


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("fps", "start", "frames", "reverse")}


def _extractor(arguments: argparse.Namespace) -> MotionExtractor:
    from ..weights import load_motion_extractor

    return load_motion_extractor(arguments.extractor, check_device(arguments.device))


def _embedded(extractor: MotionExtractor, folder: str, levels: int, arguments: argparse.Namespace) -> ClipVectors:
    from ...evaluation.labelled import embed_clips, find_labelled
    from ..extract import extract_motion

    def embed(clip: Path) -> tuple[Tensor, Tensor]:
        motion, used = extract_motion(extractor, clip, **_sampling(arguments), return_frames=True)
        return motion.embeddings, used

    clips = find_labelled(folder, levels)
    with progress_runtime("Extracting the motions", arguments.device) as runtime:
        return embed_clips(embed, clips, lambda done, total: runtime.progress(done, total, None))


def _print_left_out(left_out: list[tuple[str, str]]) -> None:
    for path, why in left_out:
        print(f"Left out: {path}: {why}")


def _print_written(path: str) -> None:
    from ...evaluation.report import plot_path

    print(f"{path}: the numbers; {plot_path(path)}: the plot.")
