"""Clips and pictures to learn from, with captions: folders, a video in chunks, pictures, lists (docs/methods/motiondirector.md, 4)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import read_json
from ..video.images import read_image
from ..video.picture import centre_crop
from ..video.probe import probe
from ..video.read import iter_video, read_video
from ..video.source import SUFFIXES
from .frames import bucket_size, chunk_indices, clip_indices, folder_indices, resize_frames

log = logging.getLogger(__name__)

Fit = Literal["crop", "stretch", "official"]
FITS: tuple[str, ...] = get_args(Fit)
PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
REPEATED = 16  # frames that a picture is repeated to


@dataclass(frozen=True)
class Size:
    """What frames are brought to.

    Args:
        width: px.
        height: px.
        fit: "crop" keeps the shape and cuts off what hangs over; "stretch" ignores it; "official" is the published rule, see `bucket_size`.

    Raises:
        DisMoError: no such fit, or sides that are no multiple of 8 (64 for the official fit).
    """

    width: int
    height: int
    fit: str = "crop"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise DisMoError(f"There is no fit {self.fit!r}. Choose one of {', '.join(FITS)}.")
        unit = 64 if self.fit == "official" else 8
        if self.width < unit or self.height < unit or self.width % unit or self.height % unit:
            near = [max(unit, round(side / unit) * unit) for side in (self.width, self.height)]
            raise DisMoError(
                f"A size of {self.width}x{self.height} cannot be: with the fit {self.fit!r} both sides are multiples of {unit}. Near is "
                f"{near[0]}x{near[1]}."
            )

    def fitted(self, frames: Tensor) -> Tensor:
        """uint8 [T,H,W,3] -> float32 [T,3,height,width], -1..1, whole grey levels."""
        rows, columns = frames.shape[1:3]
        if self.fit == "official":
            return resize_frames(frames, bucket_size(columns, rows, self.width, self.height))
        if self.fit == "crop":
            top, left, rows, columns = centre_crop(rows, columns, (self.height, self.width))
            frames = frames[:, top : top + rows, left : left + columns]
        return resize_frames(frames, (self.width, self.height))


@dataclass(frozen=True)
class Clip:
    """One thing to learn from.

    Args:
        name: tells it apart from the others of a run, and stays the same from run to run.
        caption: what it shows.
        read: gives its frames, uint8 [T,H,W,3], as the file has them.
        picture: whether it is one picture, repeated.
    """

    name: str
    caption: str
    read: Callable[[], Tensor]
    picture: bool = False


def given_clip(name: str, caption: str, frames: Tensor) -> Clip:
    """A clip of frames in memory, uint8 [T,H,W,3]."""
    return Clip(name, caption, lambda: frames)


def given_picture(name: str, caption: str, picture: Tensor, repeated: int = REPEATED) -> Clip:
    """A picture in memory, uint8 [H,W,3], as a clip that stands still; see `picture_clips`."""
    return Clip(name, caption, lambda: picture[None].expand(repeated, -1, -1, -1), picture=True)


def video_chunks(
    path: str | os.PathLike[str],
    caption: str | None = None,
    *,
    frames: int = 16,
    fps: float | None = 8.0,
    step: int = 1,
    start: float = 0.0,
    end: float | None = None,
) -> list[Clip]:
    """One video in consecutive chunks, each a clip; a short last one is kept if it has two frames.

    Args:
        path: of the video.
        caption: of all chunks; None = a `.txt` of the same name beside it, else none.
        frames: of a chunk.
        fps: at which it is sampled; None = its own frames, of which every `step`-th is taken.
        step: see `fps`.
        start: seconds at which it begins.
        end: seconds at which it ends; None = its own.

    Raises:
        DisMoError: no such video, or times outside of it.
    """
    path = Path(path)
    text = caption_of(path, caption)
    if end is not None and end <= start:
        raise DisMoError(f"The clip of {path} would end at {end:g} s, before it begins at {start:g} s.")

    def sampled() -> Iterator[Tensor]:
        rate = probe(path).fps if fps is None else fps
        count = None if end is None else max(1, round((end - start) * rate))
        return iter_video(path, fps=fps, start=start, frames=count)

    count = sum(1 for _ in sampled())
    chunks = chunk_indices(count, 1 if fps is not None else step, frames)
    if len(chunks) > 1 and len(chunks[-1]) < 2:
        chunks.pop()
    stem = path.stem
    return [Clip(f"{stem}_{k}", text, _picked(sampled, chunk)) for k, chunk in enumerate(chunks)]


def video_clip(
    path: str | os.PathLike[str],
    caption: str | None = None,
    *,
    frames: int = 16,
    fps: float = 8.0,
    start: float = 0.0,
    fallback: str = "",
) -> Clip:
    """The first frames of a video from `start` on; see `video_chunks`. fallback: caption where there is no other."""
    path = Path(path)
    return Clip(
        path.stem,
        caption_of(path, caption, fallback),
        lambda: read_video(path, fps=fps, start=start, frames=frames).frames,
    )


def folder_clips(
    folder: str | os.PathLike[str],
    caption: str | None = None,
    *,
    fallback: str = "",
    frames: int = 16,
    fps: float = 8.0,
    seed: int | None = None,
) -> list[Clip]:
    """Every video of a folder, in the order of their names.

    Args:
        folder: of the videos.
        caption: of all of them; None = a `.txt` of the same name beside each, else `fallback`.
        fallback: see `caption`.
        frames: of a clip.
        fps: about at which frames are taken, see `folder_indices`.
        seed: of the starts, drawn once for each video; None = the first frame.

    Raises:
        DisMoError: no such folder, or no video in it.
    """
    clips = []
    for path in _files(folder, SUFFIXES, "videos"):
        read = _of_folder(path, frames, fps, None if seed is None else _seed(seed, path.name))
        clips.append(Clip(path.stem, caption_of(path, caption, fallback), read))
    return clips


def picture_clips(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    caption: str | None = None,
    *,
    fallback: str = "",
    repeated: int = REPEATED,
) -> list[Clip]:
    """Pictures as clips that stand still.

    Args:
        source: a picture, several, or a folder of them.
        caption: of all of them; None = a `.txt` of the same name beside each, else `fallback`.
        fallback: see `caption`.
        repeated: frames of each.
    """
    if isinstance(source, (str, os.PathLike)):
        paths = _files(source, PICTURES, "pictures") if Path(source).is_dir() else [Path(source)]
    else:
        paths = [Path(path) for path in source]
    return [
        Clip(path.stem, caption_of(path, caption, fallback), _of_picture(path, repeated), picture=True)
        for path in paths
    ]


def json_clips(path: str | os.PathLike[str], *, frames: int = 16, step: int = 1, first: int = 1) -> list[Clip]:
    """The clips that a JSON file lists, as the published code has it.

    Args:
        path: of the file; videos are looked for from its folder, where their paths are not whole.
        frames: of a clip, at most.
        step: every step-th frame is taken.
        first: frame that entries with a video of their own (`clip_path`) begin with.

    Raises:
        DisMoError: a file of another form.
    """
    path = Path(path)
    clips = []
    try:
        for number, video in enumerate(read_json(path)["data"]):
            for k, entry in enumerate(video["data"]):
                own = entry.get("clip_path")
                place = path.parent / str(own or video["video_path"])
                begin = first if own else int(entry["frame_index"])
                clips.append(Clip(f"{number}_{k}", str(entry["prompt"]), _of_json(place, begin, step, frames)))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DisMoError(
            f"{path} has another form ({error!r}). It must be "
            '{"data": [{"video_path": "a.mp4", "data": [{"frame_index": 0, "prompt": "..."}]}]}.'
        ) from error
    return clips


def readable_clips(clips: Sequence[Clip], *, skip_bad: bool = False) -> list[Clip]:
    """The clips whose frames can be read, each name once.

    Args:
        clips: in their order.
        skip_bad: name those that cannot be read in the log and go on without them.

    Raises:
        DisMoError: there are none, or some cannot be read and `skip_bad` is false; all of them are named.
    """
    good: list[Clip] = []
    named: dict[int, Clip] = {}  # a clip that comes again stays the same
    problems = []
    for clip in clips:
        try:
            if id(clip) not in named:
                clip.read()
                same = sum(other.name.partition("~")[0] == clip.name for other in named.values())
                named[id(clip)] = replace(clip, name=f"{clip.name}~{same}") if same else clip
            good.append(named[id(clip)])
        except DisMoError as problem:
            problems.append(f"{clip.name}: {problem}")
    if problems and not skip_bad:
        raise DisMoError(
            f"{len(problems)} of the clips cannot be read. {' '.join(problems)} Remove or mend them.",
            hint="skip bad",
        )
    for left_out in problems:
        log.warning("Left out: %s", left_out)
    if not good:
        raise DisMoError("There is no clip to learn from.")
    for clip in good:
        if not clip.caption:
            log.warning("%s has no caption. The adapter then learns it under an empty prompt.", clip.name)
    return good


def caption_of(path: Path, caption: str | None, fallback: str = "") -> str:
    """What is given, else the text file of the same name beside it, else the fallback."""
    beside = path.with_suffix(".txt")
    if caption is None and beside.is_file():
        return " ".join(beside.read_text("utf-8", errors="replace").split())
    return fallback if caption is None else caption


def _picked(frames: Callable[[], Iterable[Tensor]], indices: Sequence[int]) -> Callable[[], Tensor]:
    """Reads the frames with these numbers, ascending."""

    def read() -> Tensor:
        wanted = set(indices)
        found = []
        for i, frame in enumerate(frames()):
            if i in wanted:
                found.append(frame)
            if len(found) == len(wanted):
                break
        return torch.stack(found)

    return read


def _of_folder(path: Path, frames: int, fps: float, seed: int | None) -> Callable[[], Tensor]:
    def read() -> Tensor:
        generator = torch.Generator().manual_seed(seed or 0)

        def draw(highest: int) -> int:
            return 0 if seed is None else int(torch.randint(highest + 1, (), generator=generator))

        indices = folder_indices(_count(path), probe(path).fps, fps, frames, draw)
        return _picked(lambda: iter_video(path), indices)()

    return read


def _of_json(path: Path, start: int, step: int, frames: int) -> Callable[[], Tensor]:
    def read() -> Tensor:
        indices = clip_indices(_count(path), start, step, frames)
        if not indices:
            raise DisMoError(f"{path} has no frame {start}; its last is {_count(path) - 1}.")
        return _picked(lambda: iter_video(path), indices)()

    return read


def _of_picture(path: Path, repeated: int) -> Callable[[], Tensor]:
    def read() -> Tensor:
        picture = (read_image(path) * 255).round().to(torch.uint8)
        return picture[None].expand(repeated, -1, -1, -1)

    return read


def _count(path: Path) -> int:
    return sum(1 for _ in iter_video(path))


def _seed(seed: int, name: str) -> int:
    import zlib

    return seed + zlib.crc32(name.encode("utf-8", "surrogateescape"))


def _files(folder: str | os.PathLike[str], suffixes: tuple[str, ...], what: str) -> list[Path]:
    place = Path(folder)
    if not place.is_dir():
        raise DisMoError(f"There is no folder {place}. Check the path of the {what}.")
    found = sorted(
        path for path in place.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
    if not found:
        raise DisMoError(f"{place} holds no {what} ({', '.join(suffixes)}).")
    return found
