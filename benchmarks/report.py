"""What the benchmark commands share: a JSON file with where it came from, and a contact sheet."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

OUT = Path(__file__).parent / "out"


def write_json(path: Path, name: str, result: dict[str, Any]) -> None:
    """Write `result` with the command's name, its arguments, date and versions."""
    about = {
        "benchmark": name,
        "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | result, indent=1) + "\n")


def contact_sheet(
    path: Path, blocks: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], every: int = 3, across: int = 2
) -> None:
    """Write a PNG: each block is a caption over one row of frames per video uint8 [T, H, W, 3], every third frame."""
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
