"""Weights of DisMo that a user can choose: the bundled ones by name, and files in ComfyUI's `models/dismo` folder."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..shared import files
from ..shared.files import PACK, Progress

BUNDLED = ("tiny",)
EXTRACTOR, ADAPTER = RELEASED = ("motion_extractor_large", "cogvideox5b_i2v_large")  # as in dismo_core/dismo/weights.py
EXTENSIONS = (".safetensors", ".pt")


def register_folder() -> None:
    """Make `models/dismo` known to ComfyUI."""
    files.register(PACK, EXTENSIONS)


def choices() -> list[str]:
    """Bundled names first, then the files on disk."""
    return [*BUNDLED, *own_files()]


def extractors() -> list[str]:
    """Bundled and released names first, then the files on disk."""
    return [*BUNDLED, EXTRACTOR, *own_files()]


def own_files() -> list[str]:
    """The weight files in `models/dismo`, without what is released, of other methods, or part of a diffusers folder."""
    others = files.folders_within() | {folder.name for folder in files.diffusers_folders(PACK)}
    names = folder_paths.get_filename_list(PACK)
    return [name for name in names if Path(name).parts[0] not in others and os.path.splitext(name)[0] not in RELEASED]


def resolve(choice: str, download: bool = False, progress: Progress | None = None) -> str:
    """What to hand to `dismo_core`: a bundled name as it is, a file as its full path.

    A released one is checked, and fetched where `download` allows it.

    Raises:
        DisMoError: it is not there, or not whole.
    """
    if choice in BUNDLED:
        return choice
    if choice not in RELEASED:
        return files.full_path(PACK, choice)
    from ...dismo_core.dismo import weights  # noqa: F401, it registers what is released
    from ...dismo_core.weights.hub import require

    return str(require(choice, folder_paths.get_folder_paths(PACK), download=download, progress=progress))


def fingerprint(choice: str | None) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again.

    Of a released one only a conversion can: the file itself is known by its checksum, and comes by a download.

    Args:
        choice: None where it comes from another node.
    """
    if choice in BUNDLED:
        return choice
    if choice in RELEASED:
        converted = files.fingerprint(f"{choice}.safetensors", PACK)
        return converted if "@" in converted else choice
    return files.fingerprint(choice, PACK)
