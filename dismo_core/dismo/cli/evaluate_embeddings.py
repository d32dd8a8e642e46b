"""`dismo evaluate knn FOLDER` and `dismo evaluate disentangle FOLDER`: what the embeddings of labelled clips know."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.libraries import require_libraries
from ...cli.options import add_device, add_sampling_of_clip, check_device
from ...cli.progress import display
from ...errors import DisMoError
from ...files import printable
from .clip import SAMPLING, check_sampling_of_clip

if TYPE_CHECKING:
    from torch import Tensor

    from ...evaluation.labelled import ClipVectors, LabelledClip
    from ..models.extractor import MotionExtractor

log = logging.getLogger(__name__)


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
    from ...evaluation.labelled import find_labelled
    from ...evaluation.plots import confusion_plot
    from ...evaluation.report import check_report, write_report

    clips = find_labelled(arguments.folder)
    tests = find_labelled(arguments.test) if arguments.test else []
    check_sampling_of_clip(arguments)
    _check_k(arguments.k, clips, leave_one_out=not tests)
    check_report(arguments.output, overwrite=arguments.overwrite)
    require_libraries("matplotlib")
    extractor = _extractor(arguments)
    known = _embedded(extractor, clips, arguments)
    if tests:
        asked = _embedded(extractor, tests, arguments)
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
    from ...evaluation.labelled import find_labelled
    from ...evaluation.plots import bar_plot
    from ...evaluation.report import check_report, write_report

    found = find_labelled(arguments.folder, 2)
    check_sampling_of_clip(arguments)
    check_report(arguments.output, overwrite=arguments.overwrite)
    require_libraries("sklearn", "matplotlib")
    clips = _embedded(extractor := _extractor(arguments), found, arguments)
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


def _check_k(k: int, clips: Sequence[LabelledClip], *, leave_one_out: bool) -> None:
    """Raise where there are not k clips to ask; say where a class has fewer, which then hardly can win the vote."""
    own = 1 if leave_one_out else 0  # a clip is no neighbour of itself
    if not 1 <= k <= len(clips) - own:
        raise DisMoError(
            f"-k is {k}, but there are {len(clips) - own} clips to compare with. Choose 1 to {len(clips) - own}."
        )
    counts = Counter(clip.labels[0] for clip in clips)
    rarest, fewest = counts.most_common()[-1]
    if fewest - own < k:
        log.warning(
            "-k is %d, but the class %s has %d clips%s: at most %d of its neighbours can be right, and the others may outvote "
            "them. Give more clips, or a -k of at most %d.",
            k, rarest, fewest, ", one of which asks" if own else "", fewest - own, max(1, fewest - own),
        )  # fmt: skip


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in (*SAMPLING, "background")}


def _extractor(arguments: argparse.Namespace) -> MotionExtractor:
    from ..weights import load_motion_extractor

    return load_motion_extractor(arguments.extractor, check_device(arguments.device))


def _embedded(extractor: MotionExtractor, clips: Sequence[LabelledClip], arguments: argparse.Namespace) -> ClipVectors:
    from ...evaluation.labelled import embed_clips
    from ..extract import extract_motion

    def embed(clip: Path) -> tuple[Tensor, Tensor]:
        motion, used = extract_motion(extractor, clip, **_sampling(arguments), return_frames=True)
        return motion.embeddings, used

    with display("Extracting the motions") as shown:
        return embed_clips(embed, clips, shown.progress)


def _print_left_out(left_out: list[tuple[str, str]]) -> None:
    for path, why in left_out:
        print(f"Left out: {printable(path)}: {why}")


def _print_written(path: str) -> None:
    from ...evaluation.report import plot_path

    print(f"{path}: the numbers; {plot_path(path)}: the plot.")
