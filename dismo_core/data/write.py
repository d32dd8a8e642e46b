"""A folder of videos into webdataset tars; a stopped run resumes and ends with the same files."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

from ..errors import DisMoError
from ..files import atomic_write, remove_unfinished
from .addresses import webdataset
from .check import check_video
from .frames import Unusable
from .index import VIDEO_SUFFIXES, Place, scan_shard

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
# Containers under other names: the name that shard readers display for is put behind their own.
_ALSO = {"mov": "mov.mp4", "m4v": "m4v.mp4", "mkv": "mkv.webm", "mpeg": "mpeg.mpg"}
_EXTENSIONS = {suffix: suffix for suffix in VIDEO_SUFFIXES} | _ALSO
_TABLES = ("metadata.csv", "metadata.jsonl", "captions.csv", "captions.jsonl")
_FILE_COLUMNS = ("file_name", "video", "path")
_CAPTION_COLUMNS = ("caption", "text")


@dataclass(frozen=True)
class Video:
    """One video of the folder: its path within it, its key and extension in the shards."""

    path: str
    key: str
    extension: str


@dataclass(frozen=True)
class ShardReport:
    """What became of a folder.

    Args:
        shards: file names and the number of videos in each.
        captions: videos that have one.
        skipped: (path, reason, detail) of the videos left out.
    """

    shards: Mapping[str, int]
    captions: int
    skipped: Sequence[tuple[str, str, str]]

    @property
    def reasons(self) -> Counter[str]:
        """How many videos were left out for each reason."""
        return Counter(reason for _, reason, _ in self.skipped)


def write_shards(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    captions: str | os.PathLike[str] | None = None,
    shard_size: int = 500 * MEGABYTE,
    progress: Callable[[int, int], None] | None = None,
) -> ShardReport:
    """Turn the videos of a folder, searched recursively, into `000000.tar`, `000001.tar`, ... and `report.json`.

    Which video goes into which tar, and every byte of it, follows from the folder alone; a tar appears under its name
    only when it is whole, and those that are there already are not made again. Videos come in the order of a hash of
    their names, so that readers which take shards from front to back find them mixed. Those that training could not use
    (see `check_video`) are left out and reported.

    Args:
        folder: videos (mp4, avi, webm, mpg, mov, m4v, mkv, mpeg); `NAME.txt` beside `NAME.mp4` is its caption.
        out: takes the shards; made if missing.
        captions: CSV with a header, or JSONL: a column `file_name`, `video` or `path` (within the folder) and one `caption` or
            `text`. None looks for metadata.csv, metadata.jsonl, captions.csv or captions.jsonl in the folder.
        shard_size: bytes of videos at which a tar is full.
        progress: called as (videos done, videos in all).

    Raises:
        DisMoError: no videos, an unreadable caption table, shards in `out` that are not of this folder, a full disk.
    """
    folder, out = Path(folder), Path(out)
    if shard_size < 1:
        raise DisMoError(f"The size of a shard must be at least 1 byte, not {shard_size}.")
    plan = _plan(folder, shard_size)
    _clear(out, len(plan))
    texts = _captions(folder, captions, plan)
    done, total = 0, sum(map(len, plan))
    counts: dict[str, int] = {}
    captioned, skipped = 0, list[tuple[str, str, str]]()

    def advance(videos: int) -> None:
        nonlocal done
        done += videos
        if progress is not None:
            progress(done, total)

    def usable(videos: Sequence[Video]) -> Iterator[tuple[Video, bytes]]:
        for video in videos:
            try:
                yield video, _read(folder, video)
            except Unusable as fault:
                skipped.append((video.path, fault.reason, str(fault)))
            advance(1)

    for number, videos in enumerate(plan):
        path = out / f"{number:06d}.tar"
        if path.exists():
            kept = scan_shard(path)
            keys = {place.key for place in kept.places}
            left = [video for video in videos if video.key not in keys]
            # the others are looked at again, for the report; none of them may be good now
            packed = {video.key: video for video in videos if video.key in keys}
            if kept.faults or len(packed) != len(keys) or any(True for _ in usable(left)):
                raise _foreign(path)
            if any(_differs(path, place, folder, packed[place.key].path, texts) for place in kept.places):
                raise _foreign(path)
            advance(len(keys))
            counts[path.name] = len(keys)
            captioned += sum(place.caption_size > 0 for place in kept.places)
            continue
        good = usable(videos)
        first = next(good, None)
        if first is None:
            continue  # readers stumble over empty tars
        counts[path.name] = 0
        with atomic_write(path) as temporary, open(temporary, "wb") as file, _tar_writer(file) as tar:
            for video, data in chain([first], good):
                sample = {"__key__": video.key, video.extension: data}
                if texts.get(video.path):
                    sample["txt"] = texts[video.path].encode("utf-8")
                    captioned += 1
                tar.write(sample)
                counts[path.name] += 1
    report = ShardReport(counts, captioned, sorted(skipped))
    with atomic_write(out / "report.json", overwrite=True) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(report), indent=1) + "\n", "utf-8")
    return report


def _tar_writer(file: IO[bytes]) -> Any:
    return webdataset().TarWriter(file, encoder=False, mtime=0)  # no clock: the same videos give the same bytes


def _read(folder: Path, video: Video) -> bytes:
    try:
        data = (folder / video.path).read_bytes()
    except OSError as error:
        raise Unusable("unreadable", error.strerror or str(error)) from error
    check_video(data, video.path)
    return data


def _plan(folder: Path, shard_size: int) -> list[list[Video]]:
    """The videos of each shard."""
    if not folder.is_dir():
        raise DisMoError(f"There is no folder {folder}. Give the folder that holds the videos.")
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            extension = _EXTENSIONS.get(name.rpartition(".")[2].lower())
            if extension and not name.startswith("."):
                found.append(((Path(where) / name).relative_to(folder).as_posix(), extension))
    if not found:
        raise DisMoError(f"There are no videos ({', '.join(_EXTENSIONS)}) in {folder} or the folders in it.")
    keys: set[str] = set()
    plan: list[list[Video]] = []
    room = 0
    for path, extension in sorted(found, key=lambda video: _hash(video[0])):
        # webdataset ends a key at the first dot of the base name, and passes over names such as __this__
        key = re.sub(r"__+", "_", re.sub(r"\.", "_", path.rpartition(".")[0]))
        while key in keys:
            key += "-"
        keys.add(key)
        if room <= 0:
            plan.append([])
            room = shard_size
        size = (folder / path).stat().st_size if (folder / path).exists() else 0  # a link to nowhere is reported later
        plan[-1].append(Video(path, key, extension))
        room -= size
    return plan


def _hash(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()


def _clear(out: Path, shards: int) -> None:
    """Remove what a killed run left half-written; refuse tars that this run would not make."""
    if not out.is_dir():
        return
    remove_unfinished(out, "[0-9]" * 6, ".tar")
    names = {f"{number:06d}.tar" for number in range(shards)}
    for path in sorted(out.glob("*.tar")):
        if path.name not in names:
            raise _foreign(path)


def _differs(shard: Path, place: Place, folder: Path, video: str, texts: Mapping[str, str]) -> bool:
    """Whether the caption of a packed sample, or the size of its video, is no longer what it was."""
    with open(shard, "rb") as file:
        file.seek(place.caption_offset)
        caption = file.read(place.caption_size)
    return caption != texts.get(video, "").encode() or place.size != (folder / video).stat().st_size


def _foreign(path: Path) -> DisMoError:
    return DisMoError(
        f"{path} is not what this folder and shard size give: videos, captions or the size changed since, or it is damaged. "
        "Write to an empty folder, or delete the shards there."
    )


def _captions(folder: Path, table: str | os.PathLike[str] | None, plan: Sequence[Sequence[Video]]) -> dict[str, str]:
    """Captions by path: from the table where it has one, else from the .txt beside the video."""
    tables = [folder / name for name in _TABLES if (folder / name).is_file()] if table is None else [Path(table)]
    if len(tables) > 1:
        names = " and ".join(path.name for path in tables)
        raise DisMoError(f"{folder} holds {names}; which has the captions?", hint="captions")
    texts = dict(_rows(tables[0])) if tables else {}
    paths = {video.path for videos in plan for video in videos}
    unknown = sorted(texts.keys() - paths)
    if unknown:
        log.warning(
            "%s: %d captions are for no video of the folder, the first for %s.", tables[0], len(unknown), unknown[0]
        )
    for path in paths - texts.keys():
        beside = (folder / path).with_suffix(".txt")
        if beside.is_file():
            texts[path] = beside.read_text("utf-8-sig", "replace").strip()
    return texts


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    """Paths and captions of a CSV or JSONL file."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows: Iterable[Any] = map(json.loads, filter(str.strip, file)) if _is_jsonl(table) else csv.DictReader(file)
            for number, row in enumerate(rows, 1):
                columns = row if isinstance(row, dict) else {}
                path = next((columns[name] for name in _FILE_COLUMNS if columns.get(name)), None)
                text = next((columns[name] for name in _CAPTION_COLUMNS if columns.get(name) is not None), None)
                if not isinstance(path, str) or not isinstance(text, str):
                    raise DisMoError(
                        f"{table}: row {number} names no video and caption. Columns are {' or '.join(_FILE_COLUMNS)}, and "
                        f"{' or '.join(_CAPTION_COLUMNS)}; this row has {', '.join(map(str, columns)) or 'none'}."
                    )
                yield Path(path).as_posix(), text.strip()
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise DisMoError(
            f"Cannot read the captions in {table}: {error}. Give a CSV with a header, or JSONL, in UTF-8."
        ) from error


def _is_jsonl(table: Path) -> bool:
    return table.suffix.lower() in (".jsonl", ".ndjson")
