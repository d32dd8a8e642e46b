"""Files in ComfyUI's folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import folder_paths

Progress = Callable[[int, int], None]
PACK = "dismo"  # this pack's folder below `models`; each method has its own within
OUTPUT_MARK = " [output]"  # behind a name: as ComfyUI marks files of its output folder
EXAMPLE_MARK = " [example]"


def register(name: str, extensions: Iterable[str] = (), folder: str | None = None) -> None:
    """Make a folder known to ComfyUI, beside any folders that `extra_model_paths.yaml` gives that name.

    Args:
        extensions: of the files that are listed; none = all.
        folder: its path; None = `models/NAME`.
    """
    folder_paths.add_model_folder_path(name, folder or os.path.join(folder_paths.models_dir, name))
    folder_paths.folder_names_and_paths[name][1].update(extensions)


def register_below(name: str, extensions: Iterable[str], below: str) -> None:
    """Make a folder within each of the pack's folders known; `extra_model_paths.yaml` may name more of that name."""
    for folder in folder_paths.get_folder_paths(PACK):
        register(name, extensions, os.path.join(folder, below))


def folders_within() -> set[str]:
    """The first parts of what `register_below` was given: folders in the pack's folder that hold no weights of DisMo."""
    roots = [Path(root) for root in folder_paths.get_folder_paths(PACK)]
    others = [name for name in folder_paths.folder_names_and_paths if name.startswith(f"{PACK}_")]
    places = [Path(place) for name in others for place in folder_paths.get_folder_paths(name)]
    return {place.relative_to(root).parts[0] for place in places for root in roots if root in place.parents}


def inside(folder: str | Path, name: str) -> Path:
    """Absolute path of a name within a folder.

    Raises:
        DisMoError: it leads out of the folder.
    """
    from ...dismo_core import DisMoError

    folder = Path(os.path.abspath(folder))
    path = Path(os.path.abspath(folder / name))
    if not path.is_relative_to(folder):
        raise DisMoError(f"{name!r} leads out of the folder {folder}. Use a name inside it.")
    return path


def diffusers_folders(folder: str) -> list[Path]:
    """Diffusers folders directly below one of ComfyUI's folders."""
    places = [Path(place) for place in folder_paths.get_folder_paths(folder)]
    return [index.parent for place in places for index in sorted(place.glob("*/model_index.json"))]


def full_path(folder: str, name: str) -> str:
    """Path of a file in one of ComfyUI's folders.

    Raises:
        DisMoError: it is not there.
    """
    path: str | None = folder_paths.get_full_path(folder, name)
    if path is None:
        from ...dismo_core import DisMoError

        places = " or ".join(folder_paths.get_folder_paths(folder))
        raise DisMoError(f"There is no file {name} in {places}. Put it there, or choose another one.")
    return path


def fingerprint(name: str | None, folder: str) -> str:
    """Changes when the file behind `name` does, so that ComfyUI loads it again.

    Args:
        name: None where it comes from another node.
    """
    path = folder_paths.get_full_path(folder, name) if name else None
    return f"{name}@{os.path.getmtime(path)}" if path else name or ""


def find_all(*finders: Callable[[], Any]) -> list[Any]:
    """What each of the functions finds; where several find nothing, one error names all that is missing.

    Raises:
        DisMoError: of each finder that failed.
    """
    from ...dismo_core import DisMoError
    from .hints import HINTS

    found, missing = [], []
    for find in finders:
        try:
            found.append(find())
        except DisMoError as problem:
            missing.append(problem.spoken(HINTS))
    if len(missing) == 1:
        raise missing[0]
    if missing:
        raise DisMoError("\n".join(f"{number}. {problem}" for number, problem in enumerate(missing, 1)))
    return found
