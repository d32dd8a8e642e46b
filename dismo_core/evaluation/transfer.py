"""Generated videos beside their sources: pairs of files, their motion fidelity, and the controls that give it meaning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import DisMoError
from ..video import read_image, read_video
from ..video.picture import to_uint8
from ..video.source import SUFFIXES
from .fidelity import motion_fidelity
from .tracks import track_grid

if TYPE_CHECKING:
    from .similarity import ClipSimilarity

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Pair:
    """A generated video, the clip that drove it, and what else it was made from, where known."""

    source: Path
    generated: Path
    prompt: str | None = None
    picture: Path | None = None


@dataclass(frozen=True)
class Fidelity:
    """Motion fidelity of one pair, -1..1, and what its source gives against itself, another source and a still.

    `another` is None where there is no other source; `prompt` and `picture` (CLIP cosines) where not asked or not known.
    """

    generated: str
    source: str
    frames: int
    fidelity: float
    itself: float
    another: float | None
    still: float
    prompt: float | None
    picture: float | None

    def numbers(self) -> dict[str, float | None]:
        """The scores alone."""
        return {name: value for name, value in asdict(self).items() if name not in ("generated", "source", "frames")}


def find_pairs(source: str | os.PathLike[str], generated: str | os.PathLike[str]) -> tuple[list[Pair], list[str]]:
    """Pair two files; or the videos of two folders by name: NAME.mp4, or NAME__anything.mp4, with the source NAME.

    Returns:
        The pairs, and the names of generated videos that have no source.

    Raises:
        DisMoError: a file or folder is missing, or there is not a single pair.
    """
    ours, theirs = Path(generated), Path(source)
    for path in (theirs, ours):
        if not path.exists():
            raise DisMoError(f"There is no file or folder {path}. Check the path.")
    if ours.is_file() and theirs.is_file():
        return [_pair(theirs, ours)], []
    if ours.is_file() or theirs.is_file():
        raise DisMoError(f"{theirs} and {ours} must both be videos, or both be folders of videos.")
    sources = {path.stem: path for path in _videos(theirs)}
    videos = _videos(ours)
    pairs = [_pair(sources[name], path) for path in videos if (name := path.stem.split("__")[0]) in sources]
    alone = [path.name for path in videos if path.stem.split("__")[0] not in sources]
    if not pairs:
        raise DisMoError(
            f"No video in {ours} ({len(videos)}) has the name of one in {theirs} ({len(sources)}). NAME.mp4, or NAME__anything.mp4, "
            "belongs to the source NAME."
        )
    return pairs, alone


def measure_pair(
    pair: Pair, other: Path | None = None, *, start: float = 0.0, similarity: ClipSimilarity | None = None
) -> Fidelity:
    """Score one generated video; its source is sampled at its rate, over its length.

    Args:
        other: another source, for the control.
        start: seconds, where in the sources the motion was taken from.

    Raises:
        DisMoError: a video cannot be read, is too short, or the source has nothing to follow.
    """
    video = read_video(pair.generated)
    frames, fps = video.frames, video.fps

    def sampled(path: Path) -> Tensor:
        return read_video(path, fps=fps, start=start, frames=len(frames)).frames

    clip = sampled(pair.source)
    source, made = track_grid(clip), track_grid(frames)
    another = None
    if other is not None:
        stranger = track_grid(sampled(other))
        length = min(stranger.frames, source.frames)
        another = motion_fidelity(source.trimmed(length), stranger.trimmed(length))
    length = min(source.frames, made.frames)
    picture = None
    if similarity is not None and pair.picture is not None:
        picture = to_uint8(read_image(pair.picture), 0)
    prompt, likeness = similarity(frames, pair.prompt, picture) if similarity is not None else (None, None)
    return Fidelity(
        generated=pair.generated.name,
        source=pair.source.name,
        frames=length,
        fidelity=motion_fidelity(source.trimmed(length), made.trimmed(length)),
        itself=motion_fidelity(source, source),
        another=another,
        still=motion_fidelity(source, track_grid(clip[:1].expand_as(clip))),
        prompt=prompt,
        picture=likeness,
    )


def other_source(pairs: Sequence[Pair], index: int) -> Path | None:
    """The source of the next pair, going round, that has another one than pair `index`."""
    own = pairs[index].source
    return next((p.source for p in (*pairs[index + 1 :], *pairs[:index]) if p.source != own), None)


def means(rows: Sequence[Fidelity]) -> dict[str, float | None]:
    """Mean of each score over the rows that have it."""
    columns: dict[str, list[float]] = {name: [] for name in rows[0].numbers()}
    for row in rows:
        for name, value in row.numbers().items():
            if value is not None:
                columns[name].append(value)
    return {name: sum(values) / len(values) if values else None for name, values in columns.items()}


def _videos(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(path for path in found if not path.name.startswith("."))


def _pair(source: Path, generated: Path) -> Pair:
    text = generated.with_suffix(".txt")
    prompt = text.read_text("utf-8", errors="replace").strip() if text.is_file() else None
    pictures = (generated.with_suffix(suffix) for suffix in PICTURES)
    picture = next((path for path in pictures if path.is_file() and path != generated), None)
    return Pair(source, generated, prompt or None, picture)
