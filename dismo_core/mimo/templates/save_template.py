"""Writing a template."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DisMoError
from ...files import atomic_folder, atomic_write, check_free
from ...video import write_video
from .archive import pack
from .config import config_text
from .template import CONFIG, MASKS, NAMES, Template

QUALITY = 10  # crf of pictures: what the release's writer comes to
MASK_QUALITY = 4  # of masks, whose levels are data


def save_template(template: Template, path: Path, *, overwrite: bool) -> None:
    """See `Template.save`."""
    check_target(path, overwrite=overwrite)
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(prefix="dismo-template-") as held:
            _write(template, Path(held))
            with atomic_write(path, overwrite=overwrite) as temporary:
                pack(Path(held), temporary)
        return
    with atomic_folder(path) as temporary:
        _write(template, temporary)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise where a template cannot be written to a path; asked before long work."""
    if path.suffix.lower() == ".zip":
        check_free(path, overwrite=overwrite)
        return
    if path.is_file():
        raise DisMoError(f"{path} is a file; a template is a folder or a .zip file. Choose another name.")
    if path.is_dir():
        known = {CONFIG, *(f"{name}.mp4" for name in NAMES)}
        if others := sorted(file.name for file in path.iterdir() if file.name not in known):
            raise DisMoError(
                f"The folder {path} holds {others[0]}, which is no part of a template. Choose another folder."
            )
        if any(path.iterdir()) and not overwrite:
            raise DisMoError(f"{path} exists already. Choose another name.", hint="overwrite")


def _write(template: Template, folder: Path) -> None:
    for name, video in template.videos.items():
        target = folder / f"{name}.mp4"
        if isinstance(video, np.ndarray):
            mask = name in MASKS
            sound = template.sound if name == "vid" else None
            quality = MASK_QUALITY if mask else QUALITY
            write_video(target, _frames(video), template.fps, crf=quality, full_range=mask, audio=sound)
        else:
            shutil.copyfile(video, target)
    (folder / CONFIG).write_text(config_text(template.config, len(template.open(None))), "utf-8")


def _frames(video: NDArray[np.uint8]) -> Iterator[Tensor]:
    for frame in video:
        yield torch.from_numpy(np.ascontiguousarray(frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, 2)))
