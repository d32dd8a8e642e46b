"""Text-to-video bases a user can choose: the bundled one, the published ones, diffusers folders of that family."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..shared import files
from ..shared.files import Progress

BUNDLED = "tiny"
PUBLISHED = ("zeroscope_v2_576w", "text-to-video-ms-1.7b")  # as in dismo_core/text_to_video/weights.py
FOLDER = "diffusers"


def choices() -> list[str]:
    """The bundled name, the published ones, then other folders of the family in `models/diffusers`."""
    return [BUNDLED, *PUBLISHED, *(name for name in _folders() if name not in PUBLISHED)]


def resolve(choice: str, download: bool, progress: Progress) -> str | Path:
    """What to hand to `dismo_core`: the bundled name as it is, else a folder; a published one is fetched where `download` allows it.

    Raises:
        DisMoError: it is not there, or not whole.
    """
    from ...dismo_core import DisMoError
    from ...dismo_core.text_to_video.weights import BASES
    from ...dismo_core.weights.hub import require_base

    if choice == BUNDLED:
        return choice
    for model in BASES:
        if choice == model.name:
            return require_base(model, folder_paths.get_folder_paths(FOLDER), download=download, progress=progress)
    if choice not in _folders():
        raise DisMoError(
            f"There is no text-to-video base {choice!r}. Choose one of: {', '.join(choices())}; or put its diffusers folder into "
            f"{folder_paths.get_folder_paths(FOLDER)[0]}."
        )
    return _folders()[choice]


def fingerprint(choice: str | None) -> str:
    """Changes when the files behind a choice do; of a published base they cannot."""
    folder = None if choice in (None, BUNDLED, *PUBLISHED) else _folders().get(choice or "")
    if folder is None:
        return choice or ""
    parts = [*folder.glob("*.json"), *folder.glob("*/*.json"), *folder.glob("*/*.safetensors"), *folder.glob("*/*.bin")]
    return f"{choice}@{sum(part.stat().st_mtime_ns for part in parts)}"


def _folders() -> dict[str, Path]:
    """Name -> diffusers folder of a text-to-video model of this family."""
    return {folder.name: folder for folder in reversed(files.diffusers_folders(FOLDER)) if _is_of_family(folder)}


def _is_of_family(folder: Path) -> bool:
    index = (folder / "model_index.json").read_text(encoding="utf-8", errors="replace")
    return "UNet3DConditionModel" in index or "TextToVideoSD" in index
