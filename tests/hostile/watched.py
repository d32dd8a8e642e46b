"""Runs the cases of a suite in processes that may die, and counts what became of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from watched_child import SECONDS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_PATHS = [str(ROOT), str(HERE), *(str(HERE.parent / name) for name in ("video", "data"))]


@dataclass
class Survey:
    """What became of the cases of a suite."""

    tried: int = 0
    read: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        survived = self.tried - len(self.failures)
        return f"{self.tried} tried, {survived} survived ({self.read} read, {self.refused} refused)"

    def add(self, number: int, outcome: str, detail: str) -> None:
        self.tried += 1
        if outcome == "read":
            self.read += 1
        elif outcome == "refused":
            self.refused += 1
            self.refusals[number] = detail
        else:
            self.failures.append(f"case {number}: {detail}")


def survey(suite: str, folder: Path, count: int) -> Survey:
    """Cases 0 to count - 1 of the module `suite`, one after the other; a process that dies costs one case."""
    found, number = Survey(), 0
    while number < count:
        with open(folder / "stderr.txt", "w+b") as errors, _start(suite, folder, errors) as child:
            child.stdin.write(f"{number} {count}\n")
            child.stdin.close()
            for line in child.stdout:
                at, _, answer = line.strip().partition(" ")
                outcome, _, detail = answer.partition(" ")
                assert int(at) == number, (line, number)
                found.add(number, outcome, detail)
                number += 1
            status = child.wait()
            if status:
                errors.seek(0)
                said = errors.read().decode("utf-8", "replace")[-3000:]
                hung = "Timeout (" in said or status == -getattr(signal, "SIGXCPU", 0)
                assert number < count and (hung or status != 1), said  # 1: not a case, the suite itself
                what = f"more than {SECONDS} s" if hung else f"a crash (exit status {status})"
                found.add(number, "failed", f"{what}: {said}")
                number += 1
    return found


def _start(suite: str, folder: Path, errors) -> subprocess.Popen:
    own = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": os.pathsep.join(_PATHS)}
    return subprocess.Popen(
        [sys.executable, str(HERE / "watched_child.py"), suite, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
        env=os.environ | own,
    )  # fmt: skip
