"""A character from files: frames and alpha of a video, a folder of pictures, or one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...video import iter_video, probe, read_image
from ...video.source import SUFFIXES
from ..crops.flat_background import outline
from ..templates.stored_frames import StoredFrames, count_frames

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_FRAMES = 600


@dataclass(frozen=True)
class Character:
    """Frames of a character.

    Args:
        frames: uint8 [F, h, w, 3].
        alpha: uint8 [F, h, w], 255 = character.
        fps: of the frames; None where they have no rate of their own.
    """

    frames: Frames
    alpha: Frames
    fps: float | None


def read_character(
    path: str | os.PathLike[str],
    alpha: str | os.PathLike[str] | None = None,
    *,
    max_frames: int = MAX_FRAMES,
) -> Character:
    """A character from a video (also GIF, WebP), a folder of pictures in the order of their names, or one picture.

    Its outline comes from `alpha`, else from its own transparency, else from a background of one color: see `outline`.

    Args:
        path: of the video, folder or picture.
        alpha: likewise, whose first channel is white where the character is.
        max_frames: read at most.

    Raises:
        DisMoError: not to be read, counts or sizes that differ, or a background that is neither transparent nor of one color.
    """
    path = Path(path)
    if alpha is not None:
        frames, fps = _stored(path, max_frames, mask=False)
        masks, _ = _stored(Path(alpha), max_frames, mask=True)
        if len(masks) == 1 and len(frames) > 1:
            masks = [masks[0]] * len(frames)
        if len(masks) != len(frames) or masks[0].shape != frames[0].shape[:2]:
            raise DisMoError(
                f"{path} has {len(frames)} frames of {_size(frames)} px, its alpha {alpha} {len(masks)} of {_size(masks)} px. "
                "Give one mask for each frame."
            )
        return Character(frames, masks, fps)
    fps = None if path.is_dir() or _is_picture(path) else probe(path).fps
    pairs = zip(_over(path, "black"), _over(path, "white"), strict=True)
    pictures, cutouts = [], []
    for black, white in pairs:
        picture, cutout = _uncovered(black, white)
        pictures.append(picture)
        cutouts.append(cutout)
        if len(pictures) >= max_frames:
            break
    if all(cutout.min() == 255 for cutout in cutouts):
        cutouts = [outline(picture, str(path)) for picture in pictures]
    if len({picture.shape for picture in pictures}) > 1:
        raise DisMoError(f"The pictures in {path} have different sizes. Make them one size.")
    return Character(np.stack(pictures), np.stack(cutouts), fps)


def _uncovered(black: NDArray[np.uint8], white: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Color and alpha of a picture that was laid over black and over white."""
    alpha = 255 - (white.astype(np.int16) - black).max(-1).clip(0, 255)
    color = black * (255 / np.maximum(alpha, 1)[..., None])
    return color.round().clip(0, 255).astype(np.uint8), alpha.astype(np.uint8)


def _over(path: Path, background: str) -> Iterator[NDArray[np.uint8]]:
    """The frames with what is transparent over a color."""
    if path.is_dir() or _is_picture(path):
        for picture in _pictures(path):
            yield (read_image(picture, background=background) * 255).round().byte().numpy()
    else:
        for frame in iter_video(path, background=background):
            yield frame.numpy()


def _stored(path: Path, count: int, *, mask: bool) -> tuple[Frames, float | None]:
    """Frames left in their file, or pictures in memory; and their rate."""
    if path.is_dir() or _is_picture(path):
        take: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = (lambda x: x[..., 0]) if mask else (lambda x: x)
        pictures = [(read_image(one) * 255).round().byte().numpy() for one in _pictures(path)[:count]]
        return [np.ascontiguousarray(take(one)) for one in pictures], None
    info = probe(path)
    return StoredFrames(path, range(min(count, count_frames(path, info.frames))), mask), info.fps


def _pictures(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not found:
        raise DisMoError(f"There are no pictures in the folder {path}. It should hold frames such as 00001.png.")
    return found


def _is_picture(path: Path) -> bool:
    """Whether it is a still picture by its name; animated WebP and GIF are videos."""
    suffix = path.suffix.lower()
    if suffix == ".webp":
        from ...video.animated_webp import is_animated_webp

        return path.is_file() and not is_animated_webp(path)
    return suffix in PICTURES and suffix not in SUFFIXES


def _size(frames: Frames) -> str:
    return f"{frames[0].shape[1]}x{frames[0].shape[0]}"
