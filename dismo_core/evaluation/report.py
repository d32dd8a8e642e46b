"""What an evaluation leaves: a JSON file, and a plot of the same name or a contact sheet."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import atomic_write, check_free
from ..version import __version__

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL.Image import Image


def plot_path(path: str | os.PathLike[str]) -> Path:
    """Where the plot goes: beside the JSON file."""
    return Path(path).with_suffix(".png")


def check_report(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise where `write_report` would refuse; asked before long work."""
    check_free(path, overwrite=overwrite)
    check_free(plot_path(path), overwrite=overwrite)


def write_numbers(path: str | os.PathLike[str], result: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write `result` with this library's version as JSON."""
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps({"dismo": __version__, **result}, indent=1, allow_nan=False) + "\n", "utf-8")


def write_report(
    path: str | os.PathLike[str], result: Mapping[str, Any], figure: Figure, *, overwrite: bool = False
) -> None:
    """Write `result` with this library's version as JSON, and the figure as PNG."""
    check_report(path, overwrite=overwrite)
    write_numbers(path, result, overwrite=overwrite)
    with atomic_write(plot_path(path), overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def provenance() -> dict[str, Any]:
    """Where numbers came from: the command's words, date, versions, system."""
    return {
        "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def captioned_sheet(
    blocks: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], every: int = 3, across: int = 2
) -> Image:
    """A contact sheet.

    Args:
        blocks: a caption, and videos uint8 [T, H, W, 3] of one size: a row of frames each.
        every: of so many frames one is shown.
        across: blocks side by side.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    pictures = []
    for caption, videos in blocks:
        rows = np.concatenate([np.concatenate(list(v[::every]), 1) for v in videos], 0)
        canvas = Image.new("RGB", (rows.shape[1] + 6, rows.shape[0] + 18), "white")
        canvas.paste(Image.fromarray(rows), (0, 14))
        ImageDraw.Draw(canvas).text((2, 1), caption, fill="black")
        pictures.append(canvas)
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    sheet = Image.new("RGB", (width * min(across, len(pictures)), height * -(-len(pictures) // across)), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % across * width, i // across * height))
    return sheet
