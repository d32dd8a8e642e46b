"""Where a command writes the frames that it made: a video, or a folder of PNG files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from .given import refuse

if TYPE_CHECKING:
    from torch import Tensor

    from ..video import Audio
    from .progress import Display


def add_video_output(parser: argparse.ArgumentParser) -> None:
    """-o --overwrite --crf --ping-pong."""
    parser.add_argument(
        "-o",
        "--output",
        default="out.mp4",
        help="video to write: .mp4 .webm .webp .gif; or with a slash at the end a folder, such as frames/, for lossless PNG "
        "files 00001.png, 00002.png ... (default out.mp4)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file, or frames in a folder")
    parser.add_argument(
        "--crf",
        type=int,
        default=18,
        help="quality of mp4, webm and webp: 0 = best, to 51, webm 63 (default 18); gif and png have none",
    )
    parser.add_argument(
        "--ping-pong",
        action="store_true",
        help="play the frames forwards and then back again, so that the video can loop",
    )


def check_video_output(arguments: argparse.Namespace, fps: float) -> None:
    """Raise where `write_output` would; asked before long work.

    Args:
        arguments: with the options of `add_video_output`.
        fps: of the video.
    """
    from ..files import check_free
    from ..video import check_output
    from ..video.png_frames import check_frames_folder

    if _is_folder(arguments.output):
        refuse(arguments, ("crf",), "is for mp4, webm and webp: PNG files are lossless.")
        check_frames_folder(arguments.output, overwrite=arguments.overwrite)
        return
    check_output(arguments.output, fps, crf=arguments.crf)
    if Path(arguments.output).suffix.lower() == ".gif":
        refuse(arguments, ("crf",), "is for mp4, webm and webp: a gif has no quality to choose.")
    check_free(arguments.output, overwrite=arguments.overwrite)


def write_output(
    arguments: argparse.Namespace, frames: Tensor | Sequence[Tensor], fps: float, sound: Audio | None, shown: Display
) -> str:
    """Write, whole or not at all; returns a line about it.

    Args:
        arguments: with the options of `add_video_output`.
        frames: uint8 [T,H,W,3], or a sequence of uint8 [H,W,3], which may be made one by one as they are written.
        fps: of the video.
        sound: to go with it; cut to its length.
        shown: how far it is.
    """
    from ..video import write_video
    from ..video.png_frames import write_frames

    if arguments.ping_pong:
        frames = _ThereAndBack(frames)
    count, (height, width, _) = len(frames), frames[0].shape
    about = f"{count} frames of {width}x{height} px"
    shown.stage("Writing the video")
    if _is_folder(arguments.output):
        write_frames(arguments.output, frames, overwrite=arguments.overwrite, progress=shown.progress)
        return f"{arguments.output}: {about}, to be shown at {fps:g} fps."
    write_video(
        arguments.output,
        frames,
        fps,
        crf=arguments.crf,
        audio=sound,
        overwrite=arguments.overwrite,
        progress=shown.progress,
    )
    return f"{arguments.output}: {about} at {fps:g} fps{'' if sound is None else ', with the sound of the clip'}."


class _ThereAndBack(Sequence["Tensor"]):
    """Frames, and from the last but one back to the second."""

    def __init__(self, frames: Tensor | Sequence[Tensor]) -> None:
        self._frames = frames
        self._order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, number: int) -> Tensor: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, number: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(number, slice):
            return [self._frames[k] for k in self._order[number]]
        return self._frames[self._order[number]]


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep))
