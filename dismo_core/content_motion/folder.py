"""A folder of videos with a class each, as UCF-101 is laid out (docs/methods/content_motion.md, 1.2)."""

from __future__ import annotations

import logging
import os
import random
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.frames import Unusable, open_indexed
from ..errors import DisMoError
from ..video.images import read_image
from ..video.picture import to_uint8
from .clips import clip_tensor

log = logging.getLogger(__name__)

LISTS = "ucfTrainTestlist"
FOLDS = (1, 2, 3)
SHORT = ("error", "skip", "repeat")
VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class VideoFolder:
    """Clips of consecutive frames; which ones is a function of the seed, the item and the draw.

    `classes` are the names of the class folders in natural order. `files` are (path below the root, class) in the order of the
    items; no video is opened for it. Where the official lists are not there, all videos are taken and a warning is logged. A
    folder without class folders is one class.

    Args:
        root: of the class folders. A video is a file (avi, mp4, mov, mkv, webm) or a folder of numbered pictures.
        frames: of a clip.
        size: (height, width) of a clip, px.
        fold: of the official lists, 1 to 3.
        train: which half of the fold.
        seed: of the starts.
        short: what becomes of videos with fewer frames: "repeat" the last frame, "skip" (raises `Unusable`), or "error".

    Raises:
        DisMoError: no such folder, nothing in it, lists that name no file that is there, no such fold.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        frames: int = 16,
        size: tuple[int, int] = (64, 64),
        fold: int = 1,
        train: bool = True,
        seed: int = 42,
        short: str = "repeat",
    ) -> None:
        self.root, self.frames, self.size, self.seed, self.short = Path(root), frames, size, seed, short
        if fold not in FOLDS:
            raise DisMoError(f"There is no fold {fold}: the official lists are 1, 2 and 3.")
        if short not in SHORT:
            raise DisMoError(f"There is no choice {short!r} for short videos: choose error, skip or repeat.")
        if frames < 2:
            raise DisMoError(f"A clip needs at least 2 frames, not {frames}.")
        if not self.root.is_dir():
            raise DisMoError(f"There is no data folder {self.root}. Check the path.")
        folders = [entry.name for entry in self.root.iterdir() if entry.is_dir() and entry.name != LISTS]
        flat = not any(_videos(self.root / name) for name in folders)
        self.classes = ["."] if flat else sorted(folders, key=_natural)
        number = {name: i for i, name in enumerate(self.classes)}
        found = [(path, number[name]) for name in sorted(self.classes) for path in self._below(name)]
        if not found:
            raise DisMoError(
                f"{self.root} holds no videos ({', '.join(VIDEOS)}, or folders of numbered pictures). Give the folder of the classes."
            )
        found = self._listed(found, fold, train)
        order = list(range(len(found)))
        random.Random(42).shuffle(order)  # of the release, whatever the seed of the starts
        self.files = [found[i] for i in order]
        self.repeated: set[str] = set()  # videos whose last frame was repeated

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.clip(index)

    def clip(self, index: int, draw: int = 0) -> dict[str, Any]:
        """An item: "x" [3,frames,height,width] in -1..1, and "y", its class.

        Args:
            index: of the item.
            draw: number of the draw, such as the epoch: each begins at another frame of the video.

        Raises:
            Unusable: the video cannot be read, or is too short where those are to be skipped.
            DisMoError: it is too short where that is an error.
        """
        path, label = self.files[index]
        place, chance = self.root / path, random.Random(f"{self.seed}/{draw}/{index}")
        if place.is_dir():
            pictures = _pictures(place)
            count = len(pictures)
            frames = (
                None if self._refused(count) else _read_pictures([pictures[n] for n in self._numbers(count, chance)])
            )
        else:
            try:
                data = place.read_bytes()
            except OSError as error:
                raise Unusable("unreadable", f"{path}: {error.strerror or error}") from error
            with open_indexed(data, path) as video:
                count = len(video)
                frames = None if self._refused(count) else video.frames(self._numbers(count, chance))
        if count < self.frames:
            self._tell_short(path, count)
        assert frames is not None
        return {"x": clip_tensor(frames, self.size), "y": label}

    def _refused(self, count: int) -> bool:
        return count < self.frames and self.short != "repeat"

    def _numbers(self, count: int, chance: random.Random) -> list[int]:
        start = chance.randint(0, max(0, count - self.frames))
        return [min(start + n, count - 1) for n in range(self.frames)]

    def _tell_short(self, path: str, count: int) -> None:
        """Raise where short videos are not repeated; else count this one, and say so at the first."""
        told = f"{path} has {count} frames, fewer than the {self.frames} of a clip"
        if self.short == "skip":
            raise Unusable("short", told)
        if self.short == "error":
            raise DisMoError(f"{told}. Leave such videos out or repeat their last frame (short='skip' or 'repeat').")
        if not self.repeated:
            log.warning("%s: its last frame is repeated, as of all videos that are too short.", told)
        self.repeated.add(path)

    def _below(self, name: str) -> list[str]:
        return [(path if name == "." else f"{name}/{path}") for path in _videos(self.root / name)]

    def _listed(self, found: list[tuple[str, int]], fold: int, train: bool) -> list[tuple[str, int]]:
        file = self.root / LISTS / f"{'train' if train else 'test'}list{fold:02d}.txt"
        if not file.is_file():
            log.warning("%s is not there: all %d videos are taken, none is kept for a test.", file, len(found))
            return found
        try:
            named = [line.split()[0] for line in file.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, ValueError) as error:
            raise DisMoError(f"Cannot read {file}: {error}. Fetch the official lists again.") from error
        wanted = set(named)
        kept = [(path, label) for path, label in found if path in wanted]
        if not kept:
            raise DisMoError(
                f"{file} names no video that is in {self.root}; it begins with {', '.join(named[:3]) or 'nothing'}. Give the folder "
                "that the lists belong to, or remove the lists to take all videos."
            )
        return kept


def _videos(folder: Path) -> list[str]:
    """Paths below the folder, sorted within each folder; links are followed, but none into a folder above itself."""
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name != LISTS)
        below = Path(place).relative_to(folder)
        if below.parts and any(_is_numbered(name) for name in files):
            found.append(below.as_posix())
        found += [(below / name).as_posix() for name in sorted(files) if name.lower().endswith(VIDEOS)]
    return found


def _is_numbered(name: str) -> bool:
    stem, ending = os.path.splitext(name)
    return ending.lower() in PICTURES and stem[-1:].isdigit()


def _pictures(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if _is_numbered(p.name)), key=lambda p: _natural(p.name))


def _read_pictures(paths: list[Path]) -> Tensor:
    try:
        frames = {path: to_uint8(read_image(path), low=0.0) for path in set(paths)}
        return torch.stack([frames[path] for path in paths])
    except (DisMoError, RuntimeError) as error:  # the second: pictures of different sizes
        raise Unusable("unreadable", f"{paths[0].parent.name}: {error}") from error


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts Act2 before Act10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
