"""Videos with captions: a table in WebVid's form, a folder with a text beside each file, or shards."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...data.addresses import find_shards, is_remote
from ...data.frames import Unusable
from ...data.index import ShardIndex
from ...errors import DisMoError
from ...video import probe, read_video
from ..clips import FRAMES, clip_indices, clip_length, fit_frames
from ..prompt_table import utf8_text

log = logging.getLogger(__name__)

ENDINGS = (".mp4", ".webm", ".mov", ".mkv", ".avi")


@dataclass(frozen=True)
class CaptionedVideo:
    """A video to learn from.

    Args:
        source: path of the file, or its bytes.
        caption: what it shows and how it moves.
        name: for messages.
    """

    source: Path | bytes
    caption: str
    name: str


class ShardVideos(Sequence[CaptionedVideo]):
    """The videos of our shards, each read when it is asked for.

    Args:
        paths: see `find_shards`.

    Raises:
        DisMoError: none there, or shards that can only be read from front to back.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        found = find_shards(paths)
        if remote := [shard for shard in found if is_remote(shard)]:
            raise DisMoError(f"DEMO trains on local shards, not on {remote[0]}. Copy it here.")
        self.shards = ShardIndex(found)

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, number: int) -> CaptionedVideo:  # type: ignore[override]
        """Video `number`.

        Raises:
            Unusable: it cannot be read, or has no caption.
        """
        entry = self.shards.read(number)
        if not entry.caption.strip():
            raise Unusable("no caption", "it has no caption")
        return CaptionedVideo(entry.video, entry.caption.strip(), self.shards.name(number))


def videos_of_table(path: Path, folder: Path) -> list[CaptionedVideo]:
    """The videos of a CSV with the columns `videoid` and `name` (the caption), each in `folder/videoid.mp4`.

    Raises:
        DisMoError: no such table or folder, a column that is missing, or no video that can be used; the published code tries rows for ever
            then.
    """
    if not path.is_file():
        raise DisMoError(f"There is no table {path}. Give a CSV with the columns videoid and name.")
    rows = list(csv.DictReader(io.StringIO(utf8_text(path))))
    columns = list(rows[0]) if rows else []
    if missing := [name for name in ("videoid", "name") if name not in columns]:
        raise DisMoError(
            f"{path} has no column {missing[0]}; it has {', '.join(columns) or 'no rows'}. WebVid's tables have videoid and name."
        )
    return usable([_of_file(folder / f"{row['videoid']}.mp4", row["name"] or "") for row in rows], str(path))


def videos_of_folder(folder: Path) -> list[CaptionedVideo]:
    """The videos of a folder, each with its caption in a .txt of the same name.

    Raises:
        DisMoError: none that can be used.
    """
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS) if folder.is_dir() else []
    found = []
    for file in files:
        text = file.with_suffix(".txt")
        found.append(_of_file(file, utf8_text(text).strip() if text.is_file() else ""))
    return usable(found, str(folder))


def usable(videos: list[CaptionedVideo], source: str) -> list[CaptionedVideo]:
    """Those that have a caption and at least two frames; the log names the others.

    Raises:
        DisMoError: none.
    """
    good, bad = [], []
    for video in videos:
        problem = _problem(video)
        if problem:
            bad.append(f"{video.name}: {problem}")
        else:
            good.append(video)
    if bad:
        log.warning("%s: %d of %d videos are left out: %s", source, len(bad), len(videos), "; ".join(bad[:10]))
    if not good:
        raise DisMoError(
            f"{source} names no video that can be used: {'; '.join(bad[:5]) or 'it is empty'}. Correct the paths."
        )
    return good


def _of_file(path: Path, caption: str) -> CaptionedVideo:
    return CaptionedVideo(path, caption, path.name)


def _problem(video: CaptionedVideo) -> str:
    if not video.caption.strip():
        return "it has no caption"
    if isinstance(video.source, Path) and not video.source.is_file():
        return f"there is no file {video.source}"
    try:
        about = probe(video.source)
    except DisMoError as error:
        return str(error)
    if not about.fps or about.fps <= 0:
        return f"its frame rate is {about.fps}"
    if about.duration is not None and round(about.duration * about.fps) < 2:
        return "it is shorter than 2 frames"
    return ""


def drawn_clip(
    video: CaptionedVideo, generator: torch.Generator, size: tuple[int, int], frames: int = FRAMES
) -> Tensor:
    """A clip of a video at a drawn place, about 3 frames to a second, float32 [frames, 3, height, width] in -1..1.

    Args:
        video: to draw from.
        generator: draws the place.
        size: (height, width), px.
        frames: of the clip.

    Raises:
        DisMoError: it cannot be decoded, or is smaller than a clip.
    """
    about = probe(video.source)
    length = max(1, round((about.duration or 0) * about.fps))
    spanned = clip_length(length, about.fps, frames)
    start = int(torch.randint(0, length - spanned + 1, (), generator=generator))
    shown = read_video(video.source, start=start / about.fps, frames=spanned).frames
    places = [min(place - start, len(shown) - 1) for place in clip_indices(length, about.fps, start, frames)]
    return fit_frames(shown[places], size)
