"""Weights of MIMO that a user can choose: the bundled ones, the released ones, and folders in ComfyUI's `models/dismo/mimo`."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...dismo_core import DisMoError
from ..shared import files
from ..shared.files import PACK, Progress, inside

PLACE = "mimo"  # in each of ComfyUI's `dismo` folders
TINY, RELEASED = "tiny", "MIMO"  # the second as in dismo_core/mimo/weights.py
NO_LORA = "none"
_MARKS = ("denoising_unet.pth", "denoising_unet.safetensors")
COLORS = "sdc_info.npy"  # of the release, for pictures of bodies


def models() -> list[str]:
    """Bundled and released names, then folders and YAML files."""
    found = {
        path.relative_to(place).as_posix()
        for place in _places()
        for path in [*(file.parent for mark in _MARKS for file in place.rglob(mark)), *place.rglob("*.yaml")]
        if path != place and path.relative_to(place).parts[0] not in (RELEASED, "templates")
    }
    return [TINY, RELEASED, *sorted(found)]


def loras() -> list[str]:
    """None, then the files in `models/loras`."""
    return [NO_LORA, *folder_paths.get_filename_list("loras")]


def find(choice: str, download: bool, progress: Progress) -> str:
    """What `load_mimo` takes: a bundled name, or a path.

    Raises:
        DisMoError: it is not there, or outside the folders for them.
    """
    if choice == TINY:
        return TINY
    places = _places()
    if choice == RELEASED and download:
        from ...dismo_core.mimo.weights import RELEASED_FOLDERS
        from ...dismo_core.weights.hub import fetch_folder

        for part in RELEASED_FOLDERS:
            fetch_folder(part, places[0] / RELEASED / part.name, progress)
    for place in places:
        path = inside(place, choice)
        if path.exists():
            return str(path)
    raise DisMoError(
        f"There are no weights {choice!r} in {' or '.join(map(str, places))}. Put the release's folder there, or choose another."
    )


def lora_path(choice: str) -> str | None:
    """The file behind a choice; None where there is to be none."""
    return None if choice == NO_LORA else files.full_path("loras", choice)


def colors_path() -> Path:
    """Where the release's colors of a body's vertices lie, or would."""
    paths = [place / COLORS for place in _places()]
    return next((path for path in paths if path.is_file()), paths[0])


def fingerprint(model: str | None, lora: str | None) -> str:
    """Changes when a file behind a choice does; None is what comes from another node."""
    found = []
    for place in _places() if model not in (None, TINY) else []:
        path = place / str(model)
        parts = sorted(path.glob("*")) if path.is_dir() else [path] if path.is_file() else []
        found += [f"{part.name}:{part.stat().st_mtime}" for part in parts]
    return f"{model}@{','.join(found)}, {files.fingerprint(lora, 'loras')}"


def _places() -> list[Path]:
    return [Path(folder) / PLACE for folder in folder_paths.get_folder_paths(PACK)]
