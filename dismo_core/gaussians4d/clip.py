"""A clip of one subject made ready: masks, T frames, one crop for all, on white (docs/methods/gaussians4d.md, 1.2)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from ..files import base_name
from .choices import CROPS
from .matting import matte

log = logging.getLogger(__name__)
FILLED = 0.8  # share of the square that the subject's longer side takes
SEEN = 12  # alpha, of 255, from which a pixel belongs to the subject
MOST_JUMP = 0.4  # of the mask's area, from frame to frame
FOLDER_FPS = 7.0  # of a folder of pictures
MOST_BYTES = 1_000_000_000  # of the frames that are read; more of them are thinned out evenly
FEWEST = 128  # frames that are read in any case


@dataclass(frozen=True)
class Clip4D:
    """A prepared clip.

    Args:
        rgba: uint8 [T,S,S,4], straight alpha.
        fps: frames per second.
        source: name of the clip, without folders.
        notes: what might spoil the result, in words.
    """

    rgba: Tensor
    fps: float
    source: str = ""
    notes: list[str] = field(default_factory=list)

    def frames(self, size: int = 0) -> tuple[Tensor, Tensor]:
        """RGB on white [T,3,S,S] and masks [T,1,S,S], 0..1; resized by areas to `size` px unless 0."""
        values = self.rgba.movedim(-1, 1).float() / 255
        both = torch.cat((values[:, :3] * values[:, 3:], values[:, 3:]), dim=1)
        if size and size != both.shape[-1]:
            both = F.interpolate(both, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return both[:, :3] + 1 - both[:, 3:], both[:, 3:]


def read_rgba(
    source: str | os.PathLike[str], start: float = 0.0, length: float = 0.0
) -> tuple[NDArray[np.uint8], float]:
    """Frames uint8 [F,H,W,4] of a video, an animated picture or a folder of numbered pictures, and frames per second.

    A long video is read at a lower rate, so that its frames take about `MOST_BYTES`.

    Args:
        source: path.
        start: seconds of a video, from where on; of a folder all is read.
        length: seconds of it; 0 = to the end.

    Raises:
        DisMoError: it cannot be read, a number is missing, or frames are of different sizes.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(path), FOLDER_FPS
    from ..video import probe
    from ..video.rgba import read_rgba_video

    info = probe(path)
    seconds = max(0.0, (info.duration or 0.0) - start)
    seconds = min(seconds, length) if length > 0 else seconds
    room = max(FEWEST, MOST_BYTES // (4 * info.width * info.height))
    rate = None if seconds * info.fps <= room else room / seconds
    count = max(1, round(length * (rate or info.fps))) if length > 0 else None
    frames, fps = read_rgba_video(path, fps=rate, start=start, frames=count)
    return frames.numpy(), fps


def _read_folder(folder: Path) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    numbered = {
        int(p.stem): p for p in folder.iterdir() if re.fullmatch(r"\d{1,6}", p.stem) and p.suffix.lower() == ".png"
    }
    if not numbered:
        raise DisMoError(
            f"{folder} holds no numbered PNG files (000.png or 0.png, and so on). Check the path of the frames."
        )
    first = min(numbered)
    frames: list[NDArray[np.uint8]] = []
    for number in range(first, max(numbered) + 1):
        if number not in numbered:
            raise DisMoError(
                f"Frame {number} is missing in {folder}: there are {first} to {max(numbered)}. Add it, or renumber them."
            )
        try:
            with Image.open(numbered[number]) as picture:
                frames.append(np.asarray(picture.convert("RGBA")))
        except (OSError, UnidentifiedImageError) as error:
            raise DisMoError(f"Cannot read {numbered[number]} as a picture: {error}. Save it as PNG again.") from error
        if frames[-1].shape != frames[0].shape:
            raise DisMoError(
                f"Frame {number} in {folder} is {_size(frames[-1])} px, frame {first} {_size(frames[0])}. All must be of one size."
            )
    return np.stack(frames)


def _size(frame: NDArray[np.uint8]) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"


def prepare_clip(
    rgba: NDArray[np.uint8],
    fps: float,
    *,
    masks: NDArray[np.uint8] | None = None,
    frames: int = 14,
    start: float = 0.0,
    length: float = 0.0,
    size: int = 256,
    matting: str = "auto",
    crop: str = "largest",
    source: str = "",
) -> Clip4D:
    """Make a clip ready.

    Args:
        rgba: uint8 [F,H,W,4]; without transparency its alpha is 255.
        fps: frames per second.
        masks: uint8 [F,H,W], in place of alpha.
        frames: T, how many are taken, evenly; a shorter clip gives fewer.
        start: seconds.
        length: seconds; 0 = to the end.
        size: side of the square, px.
        matting: see `matting.matte`.
        crop: "largest" (the box of the frame with most subject), "union" (of all frames) or "none" (the middle square).
        source: path of the clip; its name is kept.

    Raises:
        DisMoError: fewer than 2 frames, no or nothing but subject in a frame, or a setting that cannot be.
    """
    if crop not in CROPS:
        raise DisMoError(f"crop is one of {', '.join(CROPS)}, not {crop!r}.")
    if not 2 <= frames <= 128:
        raise DisMoError(f"frames must be 2 to 128, not {frames}.")
    if not 16 <= size <= 1024:
        raise DisMoError(f"size must be 16 to 1024 px, not {size}.")
    first = round(start * fps)
    last = len(rgba) if length <= 0 else min(len(rgba), first + max(1, round(length * fps)))
    if not 0 <= first < len(rgba):
        raise DisMoError(f"start {start:g} s lies outside the clip of {len(rgba) / fps:.3g} s.")
    if last - first < 2:
        raise DisMoError(
            f"There is {last - first} frame in this part of the clip; motion needs at least 2. Take a longer part, or another clip."
        )
    chosen = np.unique(np.linspace(first, last - 1, min(frames, last - first)).round().astype(int))
    taken = []
    for number in chosen:
        frame = rgba[number].copy()
        if masks is not None:
            frame[..., 3] = masks[number]
        else:
            frame = matte(frame, matting, int(number))
        taken.append(_checked(frame, int(number)))
    notes = _notes(taken, chosen)
    box = _square(taken, crop)
    squares = torch.stack([_cut(torch.from_numpy(frame), box, size) for frame in taken])
    notes += _cut_off(taken, chosen, box)
    for note in notes:
        log.warning("%s", note)
    seconds = (chosen[-1] - chosen[0]) / fps
    return Clip4D(squares, float((len(chosen) - 1) / seconds), base_name(source) if source else "", notes)


def _checked(frame: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    share = float((frame[..., 3] >= 128).mean())
    if share < 1e-4 or share > 0.995:
        what = "empty: there is no subject" if share < 0.5 else "full: there is no background"
        raise DisMoError(
            f"The mask of frame {number} is {what} ({100 * share:.2f} % of the picture). Check the mask of that frame."
        )
    return frame


def _notes(frames: Sequence[NDArray[np.uint8]], numbers: NDArray[np.int64]) -> list[str]:
    notes = []
    areas = [float((frame[..., 3] / 255).sum()) for frame in frames]
    for k in range(1, len(frames)):
        change = abs(areas[k] - areas[k - 1]) / max(areas[k], areas[k - 1])
        if change > MOST_JUMP:
            notes.append(
                f"The mask's area changes by {100 * change:.0f} % from frame {numbers[k - 1]} to {numbers[k]}: is it the same subject?"
            )
    for frame, number in zip(frames, numbers, strict=True):
        alpha = frame[..., 3] >= 128
        if alpha[0].any() or alpha[-1].any() or alpha[:, 0].any() or alpha[:, -1].any():
            notes.append(
                f"The subject is cut by the border in frame {number}: what lies outside is missing in the model."
            )
            break
    return notes


def _box(frame: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    seen = frame[..., 3] >= SEEN
    rows, columns = (np.nonzero(seen.any(axis))[0] for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _square(frames: Sequence[NDArray[np.uint8]], crop: str) -> tuple[int, int, int]:
    """Top, left and side of the square that is cut out of every frame."""
    height, width = frames[0].shape[:2]
    if crop == "none":
        side = max(height, width)
        return (height - side) // 2, (width - side) // 2, side
    if crop == "largest":
        frames = [max(frames, key=lambda frame: int(frame[..., 3].sum(dtype=np.int64)))]
    boxes = np.array([_box(frame) for frame in frames])
    top, bottom, left, right = boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max()
    side = max(2, round(max(bottom - top, right - left) / FILLED))
    return int(round((top + bottom - side) / 2)), int(round((left + right - side) / 2)), side


def _cut(frame: Tensor, box: tuple[int, int, int], size: int) -> Tensor:
    """uint8 [size,size,4] of a square that may reach outside; colors are multiplied with alpha while they are resized."""
    top, left, side = box
    height, width = frame.shape[:2]
    outside = (-left, left + side - width, -top, top + side - height)
    values = frame.movedim(-1, 0).float() / 255
    both = F.pad(torch.cat((values[:3] * values[3:], values[3:])), outside)
    mode = "bilinear"
    both = F.interpolate(both[None], (size, size), mode=mode, antialias=True, align_corners=False)[0].clamp(0, 1)
    straight = torch.where(both[3:] > 0, both[:3] / both[3:].clamp_min(1e-6), torch.zeros_like(both[:3]))
    return (torch.cat((straight.clamp(0, 1), both[3:])) * 255).round().to(torch.uint8).movedim(0, -1)


def _cut_off(frames: Sequence[NDArray[np.uint8]], numbers: NDArray[np.int64], box: tuple[int, int, int]) -> list[str]:
    top, left, side = box
    for frame, number in zip(frames, numbers, strict=True):
        t, b, lf, r = _box(frame)
        if t < top or lf < left or b > top + side or r > left + side:
            return [f"In frame {number} the subject leaves the crop: choose the crop 'union'."]
    return []
