"""The motions of many clips: a folder of videos gives motion files, tar shards give motion shards."""

from __future__ import annotations

import glob
import io
import json
import os
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..data.addresses import find_shards, is_remote
from ..data.frames import Unusable
from ..data.index import read_place, scan_shard
from ..errors import DisMoError
from ..files import atomic_write, read_json, remove_unfinished
from ..video.source import SUFFIXES
from .extract import extract_motion
from .models.extractor import MotionExtractor
from .motion import Motion


@dataclass
class Extracted:
    """What became of the clips of this process.

    Args:
        written: motions made now.
        kept: clips or shards that had been done before.
        skipped: name and reason.
    """

    written: int = 0
    kept: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def extract_many(
    extractor: MotionExtractor,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    fps: float = 8.0,
    start: float = 0.0,
    frames: int = 25,
    reverse: bool = False,
    background: str = "black",
    rank: int = 0,
    world: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """Extract every clip; what lies in `out` already is not done again, so a stopped run resumes and ends the same.

    Args:
        source: folder of videos, or of tar shards (or one of these, or a pattern).
        out: folder. A video a/b.mp4 gives a/b.mp4.safetensors; bytes of its name that are no UTF-8 are written as %FF.
            A shard 000.tar gives 000.tar with `<key>.safetensors` for each sample, and appears when it is whole.
        fps: see `extract_motion`.
        start: see `extract_motion`.
        frames: see `extract_motion`.
        reverse: see `extract_motion`.
        background: see `extract_motion`.
        rank: number of this process, which takes every world-th video or shard.
        world: how many processes there are.
        progress: called with (videos or shards done, in all), of this process.

    Raises:
        DisMoError: there is nothing to extract from, a remote shard, a file that cannot be written, or `out` holds motions
            extracted with other settings.
    """
    folder, done = Path(out), Extracted()
    videos = _videos(Path(source)) if os.path.isdir(source) else []
    shards = [] if videos else find_shards([source])
    if remote := [shard for shard in shards if is_remote(shard)]:
        raise DisMoError(f"Motions are extracted from local shards only, not {remote[0]}. Copy it here first.")
    names = [Path(shard).name for shard in shards]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DisMoError(
            f"Several shards are called {twice[0]}; the motion shards would replace each other. Rename one."
        )

    settings = {"fps": fps, "start": start, "frames": frames, "reverse": reverse, "extractor": extractor.extractor_id}
    if background != "black":  # folders of versions without a choice say nothing of it
        settings["background"] = background
    _require_same_settings(folder / "extract.json", settings)

    def motion(clip: str | bytes | Path, name: str) -> Motion | None:
        try:
            return extract_motion(
                extractor, clip, fps=fps, start=start, frames=frames, reverse=reverse, background=background
            )
        except DisMoError as error:
            done.skipped.append((name, str(error)))
            return None

    def of_shard(shard: str) -> Iterator[tuple[str, Motion]]:
        contents = scan_shard(shard)
        done.skipped.extend((f"{Path(shard).name}: {name}", reason) for name, reason, _ in contents.faults)
        for place in contents.places:
            name = f"{Path(shard).name}: {place.key}"
            try:
                found = motion(read_place(shard, place).video, name)
            except Unusable as fault:
                done.skipped.append((name, str(fault)))
                continue
            if found is not None:
                yield place.key, found

    total = len(videos[rank::world]) + len(shards[rank::world])

    def advance(number: int) -> None:
        if progress is not None:
            progress(number + 1, total)

    for number, video in enumerate(videos[rank::world]):
        relative = video.relative_to(source)
        target = folder / f"{_utf8(str(relative))}.safetensors"
        if target.exists():
            done.kept += 1
        else:
            _remove_leftovers(target)
            if (found := motion(video, relative.as_posix())) is not None:
                found.save(target)
                done.written += 1
        advance(number)
    for number, shard in enumerate(shards[rank::world]):
        target = folder / Path(shard).name
        if target.exists():
            done.kept += 1
        else:
            done.written += write_motion_shard(target, of_shard(shard))
        advance(number)
    return done


def write_motion_shard(path: Path, motions: Iterator[tuple[str, Motion]]) -> int:
    """Write a tar of motion files, one `<key>.safetensors` each; returns how many."""
    count = 0
    _remove_leftovers(path)
    with atomic_write(path) as temporary, tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(temporary, "w") as tar:
            for key, motion in motions:
                file = Path(scratch) / "motion.safetensors"
                motion.save(file, overwrite=True)
                data = file.read_bytes()
                info = tarfile.TarInfo(f"{key}.safetensors")  # no times, no owners: the same whoever writes it
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                count += 1
    return count


def _remove_leftovers(path: Path) -> None:
    remove_unfinished(path.parent, glob.escape(path.stem[:40]), path.suffix)


def _require_same_settings(path: Path, settings: dict[str, object]) -> None:
    """Note how the motions of a folder are extracted; raise where the ones there were extracted otherwise."""
    if path.is_file():
        before = read_json(path)
        if before != settings:
            raise DisMoError(
                f"{path.parent} holds motions extracted with {before}, not {settings}. Choose another folder."
            )
        return
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(settings))


def _utf8(name: str) -> str:
    """A name that every program can open: safetensors reads no others."""
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)


def _videos(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
