"""Motion files a user can choose: the pack's examples, ComfyUI's `models/dismo/motions`, and `output/motions`."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...dismo_core import DisMoError
from ...dismo_core.assets.examples import example_names
from ..shared import files
from ..shared.files import EXAMPLE_MARK, OUTPUT_MARK, inside

LIBRARY = "dismo_motions"
MOTIONS = "motions"  # folder within the pack's, and within the output folder
SUFFIX = ".safetensors"


def register_folder() -> None:
    """Make the folder for motions known to ComfyUI."""
    files.register_below(LIBRARY, [SUFFIX], MOTIONS)


def choices() -> list[str]:
    """Examples first, then the library, then the output folder."""
    saved = [name for mark in ("", OUTPUT_MARK) for name in _listed(mark)]
    return [*(f"{name}{EXAMPLE_MARK}" for name in example_names()), *saved]


def example(choice: str) -> str | None:
    """The name of the example behind a choice; None where it is a file."""
    return choice.removesuffix(EXAMPLE_MARK) if choice.endswith(EXAMPLE_MARK) else None


def resolve(choice: str) -> Path:
    """The file behind a choice.

    Raises:
        DisMoError: not there, or outside the folders for motions.
    """
    mark = OUTPUT_MARK if choice.endswith(OUTPUT_MARK) else ""
    for folder in _folders(mark):
        path = inside(folder, choice.removesuffix(mark))
        if path.suffix == SUFFIX and path.is_file():
            return path
    places = " or ".join(str(folder) for folder in _folders(mark))
    raise DisMoError(f"There is no motion file {choice!r} in {places}. Save one there with Save Motion, then press R.")


def fingerprint(choice: str) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again."""
    return choice if example(choice) else f"{choice}@{resolve(choice).stat().st_mtime}"


def next_file(place: str, prefix: str) -> tuple[Path, str]:
    """A new numbered file in the "library" or the "output" folder, and the choice that loads it.

    Raises:
        DisMoError: the prefix leads out of the folder.
    """
    mark = OUTPUT_MARK if place == "output" else ""
    base = _folders(mark)[0]
    inside(base, prefix)
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, str(base))
    file = f"{name}_{counter:05}_{SUFFIX}"
    return Path(folder) / file, (Path(subfolder) / file).as_posix() + mark


def _folders(mark: str) -> list[Path]:
    if mark == OUTPUT_MARK:
        return [Path(os.path.abspath(folder_paths.get_output_directory())) / MOTIONS]
    return [Path(os.path.abspath(folder)) for folder in folder_paths.get_folder_paths(LIBRARY)]


def _listed(mark: str) -> list[str]:
    """Relative names, with `/` on every system so that a shared graph finds them."""
    names = {file.relative_to(folder).as_posix() for folder in _folders(mark) for file in folder.rglob(f"*{SUFFIX}")}
    return [name + mark for name in sorted(names)]
