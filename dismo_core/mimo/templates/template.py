"""A driving template: videos of motion, scene and foreground, read frame by frame (docs/methods/mimo.md, 6)."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...files import base_name
from ...video import probe
from .archive import unpack
from .config import CONFIG_FPS, TemplateConfig, read_config, resample_indices
from .stored_frames import StoredFrames, count_frames

if TYPE_CHECKING:
    from ...video import Audio

log = logging.getLogger(__name__)

MASKS = ("mask", "occ")
NAMES = ("vid", "sdc", "bk", "mask", "occ")
CONFIG = "config.json"
MAX_FRAMES = 150

Video = str | os.PathLike[str] | NDArray[np.uint8]
Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]


@dataclass(frozen=True)
class TemplateFrames:
    """Frames of a template at its rate, as many of each.

    Args:
        fps: frames per second.
        vid: uint8 [F, H, W, 3], the clip.
        sdc: likewise, body on black.
        bk: likewise, scene without the person; white where the template has none.
        mask: uint8 [F, H, W], 255 = person.
        occ: likewise, 255 = stands in front.
    """

    fps: float
    bk: Frames
    sdc: Frames | None = None
    vid: Frames | None = None
    mask: Frames | None = None
    occ: Frames | None = None

    def __len__(self) -> int:
        return len(self.bk)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), px."""
        return self.bk[0].shape[1], self.bk[0].shape[0]

    @property
    def person(self) -> Frames:
        """What the crops follow: the body, which also shows what is hidden, else the person's mask."""
        frames = self.mask if self.sdc is None else self.sdc
        assert frames is not None
        return frames


@dataclass(frozen=True, eq=False)
class Template:
    """Videos that belong together: paths of files, or frames at the template's rate.

    Args:
        sdc: body on black; None where `mask` stands in for it.
        vid: the clip; needed where something stands in front.
        bk: scene without the person; None = white.
        mask: the person, uint8 [F, H, W] or a video whose first channel counts.
        occ: what stands in front, likewise; None = nothing.
        fps: of the result.
        start: first frame that is used, counted at 30 fps.
        end: the one after the last, likewise; None = to the end.
        name: of the template, for file names.
        sound: of a clip given as frames, over all of them; that of a file is in the file.

    Raises:
        DisMoError: neither body nor mask; foreground without the clip; a rate or range that cannot be.
    """

    sdc: Video | None = None
    vid: Video | None = None
    bk: Video | None = None
    mask: Video | None = None
    occ: Video | None = None
    fps: float = CONFIG_FPS
    start: int = 0
    end: int | None = None
    name: str = "template"
    sound: Audio | None = None
    _unpacked: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        TemplateConfig(self.fps, self.start, self.end)
        if self.sdc is None and self.mask is None:
            raise DisMoError(
                f"The template {self.name!r} has neither sdc (a body on black) nor mask (the person): nothing says where the person "
                "is. Add sdc.mp4 or mask.mp4."
            )
        if self.occ is not None and self.vid is None:
            raise DisMoError(
                f"The template {self.name!r} has occ, what stands in front, but no vid that shows it. Add vid.mp4, or remove occ.mp4."
            )

    @property
    def config(self) -> TemplateConfig:
        """Rate and range."""
        return TemplateConfig(self.fps, self.start, self.end)

    @property
    def videos(self) -> dict[str, Video]:
        """Those that there are, by name."""
        return {name: video for name in NAMES if (video := getattr(self, name)) is not None}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Template:
        """A template from its folder, as the release has them, or from a zip file of one.

        Raises:
            DisMoError: no such folder or file, a damaged one, or one without body and mask.
        """
        path = Path(path)
        if path.suffix.lower() == ".zip":
            held = tempfile.TemporaryDirectory(prefix="dismo-template-")
            unpack(path, Path(held.name), (*(f"{name}.mp4" for name in NAMES), CONFIG))
            return replace(cls._of_folder(Path(held.name), path.stem), _unpacked=held)
        if not path.is_dir():
            raise DisMoError(
                f"There is no template {path}. Give a folder with sdc.mp4, vid.mp4, bk.mp4 and config.json, or a zip file of one."
            )
        return cls._of_folder(path, base_name(path.absolute()))

    @classmethod
    def _of_folder(cls, folder: Path, name: str) -> Template:
        config = read_config(folder / CONFIG)
        files: dict[str, Any] = {key: file for key in NAMES if (file := folder / f"{key}.mp4").is_file()}
        return cls(**files, fps=config.fps, start=config.start, end=config.end, name=name)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the folder, or a zip file of it; whole or not at all. Files are copied, frames are encoded.

        Args:
            path: a folder that does not exist or is a template, or a name that ends in .zip.
            overwrite: replace what is there.

        Raises:
            DisMoError: it exists, or cannot be written.
        """
        from .save_template import save_template

        save_template(self, Path(path), overwrite=overwrite)

    def read(self, max_frames: int | None = MAX_FRAMES) -> TemplateFrames:
        """All frames in memory, as arrays; `open` leaves them in their files.

        Args:
            max_frames: at most so many; None = all.
        """
        opened = self.open(max_frames)
        arrays: dict[str, Any] = {
            name: np.stack(list(frames)) for name in self.videos if (frames := getattr(opened, name)) is not None
        }
        return replace(opened, **{"bk": np.stack(list(opened.bk)), **arrays})

    def open(self, max_frames: int | None = MAX_FRAMES) -> TemplateFrames:
        """The frames, decoded as they are asked for.

        Videos are resampled to the template's rate by frame numbers, cut to its range, then to `max_frames`. The shortest one counts.

        Args:
            max_frames: at most so many; None = all.

        Raises:
            DisMoError: videos of different sizes, or a range that leaves nothing.
        """
        if max_frames is not None and max_frames < 1:
            raise DisMoError(f"max_frames must be 1 or more, not {max_frames}.")
        opened: dict[str, Frames] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for name, video in self.videos.items():
            opened[name], sizes[name] = self._resampled(name, video)
        if len(set(sizes.values())) > 1:
            said = ", ".join(f"{name} {width}x{height}" for name, (width, height) in sizes.items())
            raise DisMoError(
                f"The videos of the template {self.name!r} have different sizes: {said}. Make them one size."
            )
        lengths = {name: len(frames) for name, frames in opened.items()}
        shortest = min(lengths.values())
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} {count}" for name, count in lengths.items())
            log.warning(
                "The videos of the template %r have different lengths (%s); the shortest counts.", self.name, said
            )
        start, end = self.config.frame_range(shortest)
        if max_frames is not None:
            end = min(end, start + max_frames)
        cut: dict[str, Any] = {name: frames[start:end] for name, frames in opened.items()}
        if "bk" not in cut:
            width, height = next(iter(sizes.values()))
            cut["bk"] = _White(end - start, width, height)
        return TemplateFrames(fps=self.fps, **cut)

    def audio(self, frames: int) -> Audio | None:
        """The sound of the clip over so many frames of the template; None where there is none."""
        start, duration = int(self.fps * self.start / CONFIG_FPS) / self.fps, frames / self.fps
        if self.sound is not None:
            begin = round(start * self.sound.sample_rate)
            end = begin + round(duration * self.sound.sample_rate)
            return replace(self.sound, waveform=self.sound.waveform[:, begin:end])
        if self.vid is None or isinstance(self.vid, np.ndarray):
            return None
        from ...video.audio import read_audio

        return read_audio(self.vid, start, duration)

    def _resampled(self, name: str, video: Video) -> tuple[Frames, tuple[int, int]]:
        """A video at the template's rate, and its (width, height)."""
        mask = name in MASKS
        if isinstance(video, np.ndarray):
            if video.dtype != np.uint8 or video.ndim != (3 if mask else 4) or not len(video):
                kind = "[F, H, W]" if mask else "[F, H, W, 3]"
                raise DisMoError(f"{name} of a template must be uint8 {kind}, not {video.dtype} {list(video.shape)}.")
            return video, (video.shape[2], video.shape[1])
        path = Path(video)
        info = probe(path)
        numbers = resample_indices(count_frames(path, info.frames), info.fps, self.fps)
        return StoredFrames(path, numbers, mask, self._unpacked), (info.width, info.height)


class _White(Sequence[NDArray[np.uint8]]):
    """White frames, all of them one array."""

    def __init__(self, count: int, width: int, height: int) -> None:
        self._count = count
        self._frame = np.full((height, width, 3), 255, np.uint8)
        self._frame.flags.writeable = False

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._frame] * len(range(self._count)[index])
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._frame
