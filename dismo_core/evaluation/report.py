"""What an evaluation leaves: a JSON file and a plot of the same name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import atomic_write, check_free
from ..version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_path(path: str | os.PathLike[str]) -> Path:
    """Where the plot goes: beside the JSON file."""
    return Path(path).with_suffix(".png")


def check_report(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise where `write_report` would refuse; asked before long work."""
    check_free(path, overwrite=overwrite)
    check_free(plot_path(path), overwrite=overwrite)


def write_report(
    path: str | os.PathLike[str], result: Mapping[str, Any], figure: Figure, *, overwrite: bool = False
) -> None:
    """Write `result` with this library's version as JSON, and the figure as PNG."""
    check_report(path, overwrite=overwrite)
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps({"dismo": __version__, **result}, indent=1, allow_nan=False) + "\n", "utf-8")
    with atomic_write(plot_path(path), overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
