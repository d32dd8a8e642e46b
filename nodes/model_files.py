"""Weights a user can choose: the bundled ones by name, and files in ComfyUI's `models/dismo` folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import folder_paths

FOLDER = "dismo"
MOTIONS = "motions"  # folder within, for motion files, which are no weights
BUNDLED = ("tiny",)
EXTRACTOR, ADAPTER = RELEASED = ("motion_extractor_large", "cogvideox5b_i2v_large")  # names in the manifest
EXTENSIONS = {".safetensors", ".pt"}

Progress = Callable[[int, int], None]


def register_folder() -> None:
    """Make `models/dismo` known to ComfyUI, beside any folders that `extra_model_paths.yaml` gives that name."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    folder_paths.folder_names_and_paths[FOLDER][1].update(EXTENSIONS)


def choices() -> list[str]:
    """Bundled names first, then the files on disk."""
    return [*BUNDLED, *files()]


def extractors() -> list[str]:
    """Bundled and released names first, then the files on disk."""
    return [*BUNDLED, EXTRACTOR, *files()]


def files() -> list[str]:
    """The weight files in `models/dismo`, without motions, released files and what belongs to diffusers folders."""
    others = {MOTIONS} | {folder.name for folder in diffusers_folders(FOLDER)}
    names = folder_paths.get_filename_list(FOLDER)
    return [name for name in names if Path(name).parts[0] not in others and os.path.splitext(name)[0] not in RELEASED]


def diffusers_folders(folder: str) -> list[Path]:
    """Diffusers folders directly below one of ComfyUI's folders."""
    places = [Path(place) for place in folder_paths.get_folder_paths(folder)]
    return [index.parent for place in places for index in sorted(place.glob("*/model_index.json"))]


def resolve(choice: str, download: bool = False, progress: Progress | None = None) -> str:
    """What to hand to `dismo_core`: a bundled name as it is, a file as its full path.

    A released one is checked, and fetched where `download` allows it.

    Raises:
        DisMoError: it is not there, or not whole.
    """
    if choice in BUNDLED:
        return choice
    if choice not in RELEASED:
        return full_path(FOLDER, choice)
    from ..dismo_core.weights.hub import require

    return str(require(choice, folder_paths.get_folder_paths(FOLDER), download=download, progress=progress))


def full_path(folder: str, name: str) -> str:
    """Path of a file in one of ComfyUI's folders.

    Raises:
        DisMoError: it is not there.
    """
    path: str | None = folder_paths.get_full_path(folder, name)
    if path is None:
        from ..dismo_core import DisMoError

        places = " or ".join(folder_paths.get_folder_paths(folder))
        raise DisMoError(f"There is no file {name} in {places}. Put it there, or choose another one.")
    return path


def fingerprint(choice: str | None, folder: str = FOLDER) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again.

    Of a released one only a conversion can: the file itself is known by its checksum, and comes by a download.

    Args:
        choice: None where it comes from another node.
    """
    if not choice or choice in BUNDLED:
        return choice or ""
    path = folder_paths.get_full_path(folder, f"{choice}.safetensors" if choice in RELEASED else choice)
    return f"{choice}@{os.path.getmtime(path)}" if path else choice
