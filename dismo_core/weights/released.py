"""Is a file that bears a released name the released one? Its licence is shown once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import DisMoError
from . import registry
from .manifest import SOURCE

log = logging.getLogger(__name__)


def check_released(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> None:
    """Show the licence of released weights, and check a file that bears the name of a released one; any other passes.

    The checksum takes seconds, so all this is done once a process for a file that has not changed.

    Args:
        path: of any weights.
        progress: of the checksum, called with (bytes done, bytes in all).

    Raises:
        DisMoError: its size or checksum is not that of the released file.
    """
    path = Path(path)
    file = next(
        (file for name, file in registry.RELEASED.items() if path.stem == name or _source(path) == file.etag), None
    )
    if file is None or not path.is_file():
        return
    status = path.stat()
    state = (path.resolve(), status.st_size, status.st_mtime_ns)
    if state in _checked:
        return
    log.warning("%s: %s", path.name, file.licence)  # a warning, so that scripts without logging show it, too
    if path.name == file.path and (problem := file.problem(path, progress)):
        raise DisMoError(
            f"{path} is not the released file: {problem}. If it is a file of your own, give it another name; otherwise it is "
            "damaged or not whole: remove it and fetch it again.",
            hint="fetch again",
            name=path.stem,
        )
    _checked.add(state)


def _source(path: Path) -> str:
    """Checksum of the file that a safetensors conversion was made of; empty for all else."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return ""
    try:
        with safe_open(path, framework="pt") as opened:
            return str((opened.metadata() or {}).get(SOURCE, ""))
    except (SafetensorError, OSError):
        return ""  # whoever reads it says what is wrong with it


_checked: set[tuple[Path, int, int]] = set()
