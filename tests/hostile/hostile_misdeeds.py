"""What no reader may do, done on purpose: the watch must see each."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import numpy as np

from dismo_core.errors import DisMoError

MISDEEDS = (
    *("forbidden",) * 4,
    *("MemoryError", "ValueError", "more than", "more than", "a crash", "without words"),
)


def prepare(folder: Path) -> None:
    """Nothing is needed."""


def attempt(folder: Path, number: int) -> None:
    """Misbehave in one of ten ways, then behave in two."""
    deeds = (
        lambda: (folder / "beside.txt").write_text("x"),
        lambda: os.replace(folder / "made", folder / "moved"),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: subprocess.run(["true"]),
        lambda: np.ones(5 << 30, np.uint8),
        lambda: int("x"),
        lambda: time.sleep(60),
        _spin,
        os.abort,
        lambda: _raise(DisMoError("")),
        lambda: _raise(DisMoError("this is why")),
        lambda: (folder / "out" / "inside.txt").write_text("x"),
    )
    try:
        deeds[number]()
    except OSError:
        pass


def _spin() -> None:
    while True:
        pass


def _raise(error: Exception) -> None:
    raise error
