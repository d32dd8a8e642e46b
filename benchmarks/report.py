"""What the benchmark commands share: a plain table, and a JSON file with where it came from.

Nothing but Python is needed: the extractor's benchmark runs where there is only torch.
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
from typing import Any

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
