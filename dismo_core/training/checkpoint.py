"""Training checkpoints: written whole or not at all, the newest readable one found again."""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import DisMoError
from ..files import atomic_write, save_pickled

log = logging.getLogger(__name__)
_NAME = re.compile(r"checkpoint_(\d{7})\.pt")


def save_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write `checkpoint_<step>.pt` atomically and drop all but the newest `keep`.

    Raises:
        DisMoError: it cannot be written, as on a full disk; those before it are as they were.
    """
    path = folder / f"checkpoint_{step:07d}.pt"
    write_state(path, state)
    for old in [other for other in checkpoints(folder) if other != path][: 1 - keep or None]:
        old.unlink()
    return path


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a file of torch, whole or not at all.

    Raises:
        DisMoError: it cannot be written, as on a full disk.
    """
    with atomic_write(path, overwrite=True) as temporary:
        save_pickled(state, temporary)


def latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that reads, None where there is none; a damaged one is named in the log and the one before it is tried.

    Raises:
        DisMoError: there are some, and none reads.
    """
    return newest_readable(checkpoints(folder), lambda path: torch.load(path, map_location="cpu", weights_only=True))


def newest_readable(found: Sequence[Path], read: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | None:
    """What the last of these files that reads holds; see `latest_checkpoint`.

    Args:
        found: checkpoints of one folder, oldest first.
        read: reads one.
    """
    for path in reversed(found):
        try:
            return read(path)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, DisMoError) as error:
            log.warning("Checkpoint %s does not read (%s).", path, error)
    if found:
        raise DisMoError(
            f"None of the {len(found)} checkpoints in {found[0].parent} reads; see the log. Mend what keeps them from being read, or, "
            "to begin again, move them away or choose another folder."
        )
    return None


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint files of a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
