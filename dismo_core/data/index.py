"""What lies where in tar shards: a list of videos that any process can read by number."""

from __future__ import annotations

import json
import logging
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import DisMoError
from ..files import atomic_write
from .frames import Unusable

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = ("mp4", "avi", "webm", "mpg")  # an entry whose extension ends so is the sample's video
_INDEX_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One sample of a shard, not yet decoded.

    Args:
        key: its name in the shard, without extension.
        video: the file.
        caption: empty where the shard has none.
    """

    key: str
    video: bytes
    caption: str = ""


@dataclass(frozen=True)
class Place:
    """Where a sample lies in its tar: byte offset and size of its video and of its caption (size 0: none)."""

    key: str
    offset: int
    size: int
    caption_offset: int = 0
    caption_size: int = 0


@dataclass(frozen=True)
class ShardContents:
    """What a scan of one tar found.

    Args:
        places: the samples with exactly one video, in the order of the tar.
        faults: (name, reason, detail) of everything else; a name is empty where the whole tar is meant.
    """

    places: tuple[Place, ...]
    faults: tuple[tuple[str, str, str], ...]


def scan_shard(path: str | os.PathLike[str]) -> ShardContents:
    """List the samples of a local tar without reading their contents.

    Members are grouped as webdataset does it: neighbours with the same name up to the first dot are one sample. Links,
    devices and names that lead out of the folder are refused. A tar that breaks off gives what comes before.

    Raises:
        DisMoError: the file cannot be opened.
    """
    groups: list[tuple[str, dict[str, tuple[int, int]]]] = []
    faults: list[tuple[str, str, str]] = []
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(0)
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for member in tar:
                        if member.size < 0:  # the next header would lie before this one, without end
                            raise tarfile.HeaderError(f"{member.name} has a size of {member.size} bytes")
                        fault = _member_fault(member, end)
                        if fault is not None:
                            faults.append((member.name, *fault))
                            continue
                        key, extension = _split(member.name)
                        if member.isdir() or not extension:
                            continue
                        if not groups or groups[-1][0] != key:
                            groups.append((key, {}))
                        groups[-1][1][extension] = member.offset_data, member.size
                    # tarfile takes a damaged header for the end
                    file.seek(tar.offset)
                    if file.read(512).strip(b"\0"):
                        faults.append(("", "damaged tar", f"what follows byte {tar.offset} of {end} is no tar header"))
            except (tarfile.TarError, ValueError, OverflowError) as error:  # the last two: sizes beyond all files
                if not any(reason == "cut short" for _, reason, _ in faults):  # else that is said already
                    faults.append(("", "damaged tar", str(error) if end else "the file has no bytes"))
    except OSError as error:
        raise DisMoError(
            f"Cannot read the shard {path}: {error.strerror or error}. Check its path and rights."
        ) from error
    places = []
    for key, members in groups:
        videos = video_extensions(members)
        if len(videos) == 1:
            places.append(Place(key, *members[videos[0]], *members.get("txt", (0, 0))))
        else:
            found = ", ".join(sorted(members))
            faults.append((key, "several videos" if videos else "no video", f"the sample holds {found}"))
    if not places and not faults:
        faults.append(("", "empty tar", "there are no samples in it"))
    return ShardContents(tuple(places), tuple(faults))


def _split(name: str) -> tuple[str, str]:
    """Key and lower-case extension of a member: the extension begins after the first dot of the base name."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return folder + slash + stem, extension.lower()


def _member_fault(member: tarfile.TarInfo, end: int) -> tuple[str, str] | None:
    if not is_safe(member.name):
        return "unsafe name", "the name leads out of the shard's folder"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "not a file", "links, devices and sparse files are not read"
    if member.offset_data + member.size > end:
        return "cut short", f"{member.size} bytes are declared, the tar ends after {end - member.offset_data}"
    return None


def is_safe(name: str) -> bool:
    """Whether a member's name stays within the folder where somebody might unpack it."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts


def video_extensions(extensions: Iterable[str]) -> list[str]:
    """Those of a sample's extensions that are its video; exactly one is wanted."""
    return [extension for extension in extensions if extension.endswith(VIDEO_SUFFIXES)]


def read_place(shard: str, place: Place) -> Entry:
    """The bytes of one sample of a local tar.

    Raises:
        Unusable: the tar became shorter since it was scanned, or cannot be read any more.
    """
    try:
        with open(shard, "rb") as file:
            file.seek(place.offset)
            video = file.read(place.size)
            file.seek(place.caption_offset)
            caption = file.read(place.caption_size)
    except OSError as error:
        raise Unusable("unreadable", f"{shard}: {error.strerror or error}") from error
    if len(video) < place.size or len(caption) < place.caption_size:
        raise Unusable("cut short", f"{shard} became shorter since it was scanned")
    return Entry(place.key, video, caption.decode("utf-8", "replace").strip())


class ShardIndex:
    """All samples of local shards, numbered. Scans are kept beside the shards (`NAME.index.json`) where that can be written.

    Args:
        shards: paths of tars, in an order that is the same in every process.

    Raises:
        DisMoError: a shard cannot be opened, or none holds a sample.
    """

    def __init__(self, shards: Sequence[str]) -> None:
        self.shards = list(shards)
        self.faults: Counter[str] = Counter()
        rows, keys = [], []
        for number, shard in enumerate(self.shards):
            contents = _cached_scan(Path(shard))
            self.faults.update(reason for _, reason, _ in contents.faults)
            for place in contents.places:
                rows.append((number, place.offset, place.size, place.caption_offset, place.caption_size))
                keys.append(place.key.encode("utf-8", "surrogateescape"))
        if not rows:
            raise DisMoError(
                f"The {len(self.shards)} shards hold no sample with a video ({describe(self.faults)}).",
                hint="check shards",
            )
        # arrays, not objects: worker processes share their memory
        self._rows = np.array(rows, dtype=np.int64)
        self._keys = np.array(keys)
        if self.faults:
            log.warning("Entries of the shards that are left out: %s.", describe(self.faults))

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, number: int) -> str:
        """Shard and key of a sample, for messages."""
        return f"{os.path.basename(self.shards[self._rows[number, 0]])}: {self._key(number)}"

    def read(self, number: int) -> Entry:
        """The bytes of one sample.

        Raises:
            Unusable: as `read_place`.
        """
        shard, *where = map(int, self._rows[number])
        return read_place(self.shards[shard], Place(self._key(number), *where))

    def _key(self, number: int) -> str:
        return bytes(self._keys[number]).decode("utf-8", "surrogateescape")


def describe(reasons: Counter[str]) -> str:
    """`too short 12, empty 3`, the most frequent first."""
    return ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "nothing"


def _size(number: object) -> int:
    if type(number) is not int or not 0 <= number < 1 << 62:
        raise ValueError(f"{number!r} is no place in a file")
    return number


def _cached_scan(shard: Path) -> ShardContents:
    try:
        state = shard.stat()
    except OSError as error:
        raise DisMoError(
            f"Cannot read the shard {shard}: {error.strerror or error}. Check its path and rights."
        ) from error
    about = {"version": _INDEX_VERSION, "bytes": state.st_size, "modified": state.st_mtime_ns}
    cache = shard.with_name(shard.name + ".index.json")
    try:
        kept = json.loads(cache.read_text("utf-8"))
        if kept["about"] == about:
            known = tuple(Place(str(key), *map(_size, where)) for key, *where in kept["places"])
            return ShardContents(known, tuple((str(a), str(b), str(c)) for a, b, c in kept["faults"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # none, or not ours: scan and write it again
    contents = scan_shard(shard)
    places = [[p.key, p.offset, p.size, p.caption_offset, p.caption_size] for p in contents.places]
    text = json.dumps({"about": about, "places": places, "faults": contents.faults})
    try:
        with atomic_write(cache, overwrite=True) as temporary:
            temporary.write_text(text, "utf-8")
    except DisMoError:
        log.debug("%s cannot be written; the shard is scanned again next time.", cache)
    return contents
