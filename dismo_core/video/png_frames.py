"""Frames as a folder of PNG files, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_folder

_FRAME = re.compile(r"\d{5,}\.png")


def write_frames(
    folder: str | os.PathLike[str],
    frames: Tensor | Sequence[Tensor],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write frames as 00001.png, 00002.png, ...; the folder appears once it is whole.

    Args:
        folder: to make; an empty one may be there.
        frames: uint8 [T, H, W, 3], RGB, or a sequence of uint8 [H, W, 3]; with four channels the last is the alpha.
        overwrite: replace a folder of such frames.
        progress: called as (done, total) after each frame; what it raises passes through.

    Raises:
        DisMoError: the folder holds something, or it cannot be written or the disk is full.
    """
    from PIL import Image

    check_frames_folder(folder, overwrite=overwrite)
    with atomic_folder(folder) as temporary:
        for number, frame in enumerate(frames, 1):
            Image.fromarray(frame.cpu().numpy()).save(temporary / f"{number:05d}.png")
            if progress is not None:
                progress(number, len(frames))


def check_frames_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise where `write_frames` would refuse the folder; asked before long work."""
    path = Path(folder)
    if not path.is_dir():
        if path.exists():
            raise DisMoError(f"{path} is a file, not a folder for frames. Choose another name.")
        return
    names = os.listdir(path)
    if others := [name for name in names if not _FRAME.fullmatch(name)]:
        raise DisMoError(f"The folder {path} holds {others[0]}, which is no frame. Choose another folder.")
    if names and not overwrite:
        raise DisMoError(f"The folder {path} holds frames already. Choose another folder.", hint="overwrite")
