"""Templates a user can choose: the bundled example, ComfyUI's `models/dismo/mimo/templates`, and its input folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from ...dismo_core import DisMoError
from ..shared import files
from ..shared.files import EXAMPLE_MARK, inside

if TYPE_CHECKING:
    from ...dismo_core.mimo import Template

LIBRARY = "dismo_mimo_templates"
PLACE = os.path.join("mimo", "templates")  # in each of ComfyUI's `dismo` folders
EXAMPLE = f"gym{EXAMPLE_MARK}"
INPUT_MARK = " [input]"
_PARTS = ("sdc.mp4", "mask.mp4")  # one of them makes a folder a template


def register_folder() -> None:
    """Make the folder for templates known to ComfyUI."""
    files.register_below(LIBRARY, [".zip"], PLACE)


def choices() -> list[str]:
    """The example, then the library, then the input folder."""
    listed = [name + mark for mark in ("", INPUT_MARK) for name in sorted(_names(mark))]
    return [EXAMPLE, *listed]


def load(choice: str) -> Template:
    """The template behind a choice.

    Raises:
        DisMoError: not there, outside the folders for templates, or damaged.
    """
    from ...dismo_core.mimo import Template
    from ...dismo_core.mimo.weights import example_template

    return example_template() if choice == EXAMPLE else Template.load(_path(choice))


def fingerprint(choice: str | None) -> str:
    """Changes when the files behind a choice do, so that ComfyUI reads them again. choice: None where another node gives it."""
    if choice is None or choice == EXAMPLE:
        return choice or ""
    path = _path(choice)
    parts = sorted(path.iterdir()) if path.is_dir() else [path]
    return f"{choice}@{','.join(f'{part.name}:{part.stat().st_mtime}' for part in parts)}"


def free_path(name: str, zipped: bool) -> Path:
    """Where a new template of this name goes: with a number where there is one already, so that none is replaced.

    Raises:
        DisMoError: a name that is no file name, or leads out of the folder.
    """
    parts = name.replace("\\", "/").split("/")
    if not name.strip() or any(part in ("", ".", "..") or re.search(r'[\x00-\x1f<>:"|?*]', part) for part in parts):
        raise DisMoError(f"{name!r:.100} is no name for a template. Use letters, digits and spaces; / makes folders.")
    base = _folders("")[0]
    ending = ".zip" if zipped else ""
    for number in range(1, 10_000):
        path = base / f"{name}{'' if number == 1 else f'_{number}'}{ending}"
        if not path.exists():
            return inside(base, path.relative_to(base).as_posix())
    raise DisMoError(f"There are too many templates called {name!r} in {base}. Choose another name.")


def _path(choice: str) -> Path:
    mark = INPUT_MARK if choice.endswith(INPUT_MARK) else ""
    for folder in _folders(mark):
        path = inside(folder, choice.removesuffix(mark))
        if (path.is_dir() and path != folder) or (path.suffix.lower() == ".zip" and path.is_file()):
            return path
    places = " or ".join(str(folder) for folder in _folders(mark))
    raise DisMoError(f"There is no template {choice!r} in {places}. Put its folder or zip file there, then press R.")


def _folders(mark: str) -> list[Path]:
    if mark == INPUT_MARK:
        return [Path(os.path.abspath(folder_paths.get_input_directory()))]
    return [Path(os.path.abspath(folder)) for folder in folder_paths.get_folder_paths(LIBRARY)]


def _names(mark: str) -> set[str]:
    """Relative names, with `/` on every system so that a shared graph finds them."""
    found = set()
    for folder in _folders(mark):
        paths = [path for path in folder.rglob("*.zip")] if mark == "" else list(folder.glob("*.zip"))
        paths += [path.parent for part in _PARTS for path in folder.rglob(part)]
        found |= {path.relative_to(folder).as_posix() for path in paths if path != folder}
    return found
