"""Weights a user can choose: the bundled ones by name, and files in ComfyUI's `models/dismo` folder."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

FOLDER = "dismo"
MOTIONS = "motions"  # folder within, for motion files, which are no weights
BUNDLED = ("tiny",)
EXTENSIONS = {".safetensors", ".pt"}


def register_folder() -> None:
    """Make `models/dismo` known to ComfyUI, beside any folders that `extra_model_paths.yaml` gives that name."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    folder_paths.folder_names_and_paths[FOLDER][1].update(EXTENSIONS)


def choices() -> list[str]:
    """Bundled names first, then the files on disk."""
    return [*BUNDLED, *files()]


def files() -> list[str]:
    """The weight files in `models/dismo`, without motions and what belongs to diffusers folders."""
    others = {MOTIONS} | {folder.name for folder in diffusers_folders(FOLDER)}
    return [name for name in folder_paths.get_filename_list(FOLDER) if Path(name).parts[0] not in others]


def diffusers_folders(folder: str) -> list[Path]:
    """Diffusers folders directly below one of ComfyUI's folders."""
    places = [Path(place) for place in folder_paths.get_folder_paths(folder)]
    return [index.parent for place in places for index in sorted(place.glob("*/model_index.json"))]


def resolve(choice: str) -> str:
    """What to hand to `dismo_core`: a bundled name as it is, a file as its full path."""
    return choice if choice in BUNDLED else full_path(FOLDER, choice)


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


def fingerprint(choice: str, folder: str = FOLDER) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again."""
    if choice in BUNDLED:
        return choice
    path = folder_paths.get_full_path(folder, choice)
    return f"{choice}@{os.path.getmtime(path)}" if path else choice
