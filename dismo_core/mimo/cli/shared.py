"""What several commands of MIMO share: the template, its frames into a video with its sound."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...runtime import Runtime
    from ...video import Audio
    from ..templates.template import Template


def add_template(parser: argparse.ArgumentParser, fallback: str) -> None:
    """--template --max-frames."""
    parser.add_argument(
        "--template", type=Path, metavar="FOLDER", help=f"driving template, a folder or a zip file (default {fallback})"
    )
    parser.add_argument(
        "--max-frames",
        "--MAX_FRAME_NUM",
        type=int,
        default=150,
        metavar="N",
        help="frames of the template at most (default 150)",
    )


def add_result(parser: argparse.ArgumentParser, default: str) -> None:
    """-o --overwrite --crf."""
    parser.add_argument(
        "-o", "--out", "--output", type=Path, metavar="FILE", help=f"video to write (default {default})"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--crf", type=int, default=10, help="quality: 0 = best, to 51 (default 10)")


def write_result(
    arguments: argparse.Namespace,
    path: Path,
    frames: Iterator[NDArray[np.uint8]],
    fps: float,
    sound: Audio | None,
    runtime: Runtime,
) -> str:
    """Write frames as they are made, whole or not at all; returns a line about it."""
    import torch

    from ...video import write_video

    first = next(frames)
    count = 0

    def tensors() -> Iterator[torch.Tensor]:
        nonlocal count
        for frame in itertools.chain((first,), frames):
            count += 1
            yield torch.from_numpy(frame.copy() if not frame.flags.writeable else frame)

    runtime.stage("writing the video")
    silent = path.suffix.lower() in (".gif", ".webp")
    write_video(path, tensors(), fps, crf=arguments.crf, audio=None if silent else sound, overwrite=arguments.overwrite)
    with_sound = ", with the sound of the template" if sound is not None and not silent else ""
    return f"{path}: {count} frames of {first.shape[1]}x{first.shape[0]} px at {fps:g} fps{with_sound}."


def check_result(arguments: argparse.Namespace, path: Path, fps: float) -> None:
    """Raise where the video could not be written; asked before long work."""
    from ...files import check_free
    from ...video import check_output

    check_output(path, fps, crf=arguments.crf)
    check_free(path, overwrite=arguments.overwrite)


def open_template(path: Path | None) -> Template:
    """A template, or the bundled one."""
    from ..templates.template import Template
    from ..weights import example_template

    return example_template() if path is None else Template.load(path)
