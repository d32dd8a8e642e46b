"""Stable Video Diffusion models that a user can choose: diffusers folders of that kind."""

from __future__ import annotations

from pathlib import Path

from ...dismo_core import DisMoError
from ..shared import files

NONE = "none"
FOLDERS = ("diffusers", files.PACK)


def svd_folders() -> list[str]:
    """None, then the names of the folders."""
    return [NONE, *_found()]


def svd_folder(choice: str) -> Path:
    """The folder behind a choice.

    Raises:
        DisMoError: it is not there any more.
    """
    found = _found()
    if choice not in found:
        raise DisMoError(
            f"There is no Stable Video Diffusion {choice!r}. Choose one of: {', '.join(svd_folders())}; or put its diffusers folder into "
            "models/diffusers."
        )
    return found[choice]


def _found() -> dict[str, Path]:
    folders = [folder for name in FOLDERS for folder in files.diffusers_folders(name)]
    return {folder.name: folder for folder in folders if _is_svd(folder)}


def _is_svd(folder: Path) -> bool:
    return "StableVideoDiffusion" in (folder / "model_index.json").read_text(encoding="utf-8", errors="replace")
