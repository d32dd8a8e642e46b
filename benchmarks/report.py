"""What the benchmark commands share: a plain table, a JSON file with where it came from, and a contact sheet.

Only the contact sheet needs more than Python: the extractor's benchmark runs where there is nothing but torch.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUT = Path(__file__).parent / "out"


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text; the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (headings, *rows)
    ]
    return "\n".join((title, lines[0], "-" * max(map(len, lines)), *lines[1:]))


def processor() -> str:
    """Name of the CPU and the cores that this process may use."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.is_file() else []
    name = next((line.split(":")[1].strip() for line in names if line.startswith("model name")), platform.processor())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} core{'s' if cores != 1 else ''}"


def write_json(path: Path, name: str, result: dict[str, Any]) -> None:
    """Write `result` with the command's name, its arguments, date, machine and versions."""
    about = {
        "benchmark": name,
        "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "torch": _version("torch"),
        "machine": f"{platform.system()} {platform.machine()}, {processor()}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | result, indent=1) + "\n")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def contact_sheet(
    path: Path, blocks: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], every: int = 3, across: int = 2
) -> None:
    """Write a PNG: each block is a caption over one row of frames per video uint8 [T, H, W, 3], every third frame."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
