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
    files = [name for name in folder_paths.get_filename_list(FOLDER) if Path(name).parts[0] != MOTIONS]
    return [*BUNDLED, *files]


def resolve(choice: str) -> str:
    """What to hand to `dismo_core`: a bundled name as it is, a file as its full path."""
    return choice if choice in BUNDLED else folder_paths.get_full_path_or_raise(FOLDER, choice)


def fingerprint(choice: str) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again."""
    if choice in BUNDLED:
        return choice
    path = folder_paths.get_full_path(FOLDER, choice)
    return f"{choice}@{os.path.getmtime(path)}" if path else choice
