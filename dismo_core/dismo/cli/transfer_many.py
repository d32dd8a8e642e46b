"""`dismo transfer --motion FOLDER|PATTERN --image FOLDER|PATTERN -o videos/`: every motion on every picture."""

from __future__ import annotations

import argparse
import csv
import glob
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...cli.options import shown_runtime
from ...cli.progress import display
from ...errors import DisMoError
from ...files import atomic_write, printable
from .mover import Mover

if TYPE_CHECKING:
    from torch import Tensor

    from ...cli.progress import Display

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
MOTION_FILES = (".safetensors", ".sft")
INDEX, SHEET = "index.csv", "sheet.jpg"
COLUMNS = ("video", "motion", "picture", "seed", "state", "error", "options")
MADE, KEPT, FAILED = "made", "was there", "failed"
ON_SHEET, SHEET_HEIGHT, SHEET_COLUMNS = 200, 96, 5  # videos at most, px each, frames each
APART = ("motion", "image", "output", "overwrite", "device")  # options that do not change what a video shows


@dataclass
class Row:
    """A line of the index: one motion on one picture."""

    video: str
    motion: str
    picture: str
    seed: int
    state: str = ""
    error: str = ""
    options: str = ""


def is_many(place: str) -> bool:
    """Whether a folder or a pattern is meant, not a file."""
    return os.path.isdir(place) or (glob.has_magic(place) and not os.path.isfile(place))


def found_files(place: str, suffixes: Sequence[str], what: str) -> list[str]:
    """The files of a folder (not of those below it) or pattern, sorted; a file is itself.

    Raises:
        DisMoError: there is none.
    """
    if not is_many(place):
        return [place]
    pattern = os.path.join(glob.escape(place), "*") if os.path.isdir(place) else place
    files = [p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p)]
    fitting = sorted(p for p in files if Path(p).suffix.lower() in suffixes)
    if not fitting:
        raise DisMoError(
            f"{place} names no {what}: of {len(files)} files there none ends in {', '.join(suffixes)}. Check the name."
        )
    return fitting


def run_many(arguments: argparse.Namespace, kind: str) -> None:
    """Make what is not there yet; a video that cannot be made is noted in the index, and stops nothing.

    Raises:
        DisMoError: nothing to do, a folder of videos made with other options, or, at the end, videos that could not be made.
    """
    from ...video.source import SUFFIXES

    motions = found_files(arguments.motion, (*SUFFIXES, *MOTION_FILES), "clip or motion file")
    pictures = found_files(arguments.image, PICTURES, "picture")
    folder = Path(arguments.output)
    options = _options(arguments)
    rows = _rows(motions, pictures, arguments)
    _require_same_options(folder, options, overwrite=arguments.overwrite)
    with display("Loading the models") as shown:
        mover = Mover(arguments, kind, shown_runtime(shown, arguments.device))
        for motion, group in zip(motions, _groups(rows, len(pictures)), strict=True):
            _make(mover, motion, group, folder, options, shown)
            _write_index(folder, rows)
        shown.stage("Drawing the contact sheet")
        _write_sheet(folder, [row for row in rows if row.state != FAILED])
    counts = Counter(row.state for row in rows)
    print(f"{folder}: {counts[MADE]} videos made, {counts[KEPT]} were there, {counts[FAILED]} failed; see {INDEX}.")
    if counts[FAILED]:
        listed = "\n".join(f"  {printable(r.video)}: {r.error}" for r in rows if r.state == FAILED)
        raise DisMoError(f"{counts[FAILED]} of {len(rows)} videos could not be made:\n{listed}")


def _make(mover: Mover, motion: str, rows: Sequence[Row], folder: Path, options: str, shown: Display) -> None:
    """All videos of one motion, which is extracted once, and only where a video is missing."""
    from ...video import write_video

    arguments = mover.arguments
    extracted = None
    for row in rows:
        row.options = options
        if (folder / row.video).exists() and not arguments.overwrite:
            row.state = KEPT
            continue
        try:
            extracted = extracted or mover.motion(motion)
            frames, fps = mover.frames(extracted, row.picture, row.seed)
            shown.stage(f"Writing {row.video}")
            write_video(folder / row.video, frames, fps, crf=arguments.crf, overwrite=arguments.overwrite)
        except DisMoError as error:
            row.state, row.error = FAILED, str(error)
            shown.line(f"{printable(row.video)}: {error}")
        else:
            row.state = MADE


def _rows(motions: Sequence[str], pictures: Sequence[str], arguments: argparse.Namespace) -> list[Row]:
    names = [_names(files) for files in (motions, pictures)]
    rows: list[Row] = []
    for motion, motion_name in zip(motions, names[0], strict=True):
        for picture, picture_name in zip(pictures, names[1], strict=True):
            seed = arguments.seed + (len(rows) if arguments.seeds == "count-up" else 0)
            rows.append(Row(f"{picture_name}_{motion_name}.{arguments.format}", motion, picture, seed))
    if twice := [name for name, count in Counter(row.video for row in rows).items() if count > 1]:
        raise DisMoError(f"Two videos would be called {twice[0]}. Rename one of the files.")
    return rows


def _names(files: Sequence[str]) -> list[str]:
    """Names without suffixes, but where two would be the same."""
    stems = Counter(Path(file).stem for file in files)
    return [Path(f).stem if stems[Path(f).stem] == 1 else Path(f).name.replace(".", "_") for f in files]


def _groups(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _options(arguments: argparse.Namespace) -> str:
    """What was asked for, as it is written."""
    asked = [(option, getattr(arguments, name)) for name, option in arguments.given.items() if name not in APART]
    return " ".join(option if value is True else f"{option} {value}" for option, value in sorted(asked))


def _require_same_options(folder: Path, options: str, *, overwrite: bool) -> None:
    index = folder / INDEX
    if overwrite or not index.is_file():
        return
    with index.open(encoding="utf-8", newline="") as file:
        before = {row.get("options") or "" for row in csv.DictReader(file)}
    if before - {options}:
        raise DisMoError(
            f"{folder} holds videos made with the options '{(before - {options}).pop()}', not '{options}'. Choose another folder, "
            "or --overwrite."
        )


def _write_index(folder: Path, rows: Sequence[Row]) -> None:
    """Of all that is done so far."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(row) for row in rows if row.state)
    with atomic_write(folder / INDEX, overwrite=True) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _write_sheet(folder: Path, rows: Sequence[Row]) -> None:
    """A few frames of every video, one below the other in the order of the index."""
    from ...video.sheets import contact_sheet, save_picture

    if rows:
        shown = [_some_frames(folder / row.video) for row in rows[:ON_SHEET]]
        save_picture(contact_sheet(shown, SHEET_COLUMNS, SHEET_HEIGHT), folder / SHEET, overwrite=True)


def _some_frames(video: Path) -> Tensor:
    import torch

    from ...video import read_video
    from ...video.sheets import enlarged

    frames = read_video(video).frames
    return enlarged(frames[torch.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().long()], SHEET_HEIGHT)
