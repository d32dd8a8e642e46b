"""What a command shows while it works: what it does, how far it is, how long it still takes."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

QUIET = 2.0  # seconds; what takes less is not worth a line
PAUSE = 10.0  # seconds between two lines
SPEED = 600.0  # seconds over which a bar measures how fast it goes on: some steps take minutes


class Display:
    """Shows the stages of a command, one after the other. This one shows nothing."""

    def stage(self, label: str) -> None:
        """Another stage begins, or an earlier one goes on."""

    def progress(self, done: int, total: int) -> None:
        """How far the stage is: things, or bytes where the display was made for them; total 0 where it is unknown."""

    def counter(self, label: str) -> Callable[[int, int], None]:
        """What shows (done, total) of a stage, which begins with its first call."""

        def count(done: int, total: int) -> None:
            self.stage(label)
            self.progress(done, total)

        return count

    def line(self, text: str) -> None:
        """A line of text that stays."""


@contextlib.contextmanager
def display(label: str, *, unit: str = "") -> Iterator[Display]:
    """Bars in a terminal; in a file or a pipe a line now and then, without control characters.

    Of several processes that torchrun started, the first shows what it does.

    Args:
        label: of the first stage.
        unit: "bytes" for sizes; empty = things are counted.
    """
    if os.environ.get("RANK", "0") != "0":
        yield Display()
        return
    with _bars(unit) if sys.stdout.isatty() else _lines(unit) as shown:
        shown.stage(label)
        yield shown


def duration(seconds: float) -> str:
    """A time for people: 45 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class _Bars(Display):
    """A bar for each stage."""

    def __init__(self, unit: str) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description:<28}"), BarColumn(), count, TimeElapsedColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, speed_estimate_period=SPEED)
        self._tasks: dict[str, TaskID] = {}
        self._now = ""
        self._counted: set[str] = set()  # stages that say how far they are

    def stage(self, label: str) -> None:
        self.finish()
        if label not in self._tasks:
            self._tasks[label] = self.bars.add_task(label, total=None)
        elif label not in self._counted:
            self.bars.reset(self._tasks[label], total=None)
        self._now = label

    def progress(self, done: int, total: int) -> None:
        self._counted.add(self._now)
        self.bars.update(self._tasks[self._now], completed=done, total=total or None)

    def line(self, text: str) -> None:
        self.bars.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def finish(self) -> None:
        """Fill the bar of a stage that said nothing."""
        if self._now and self._now not in self._counted:
            self.bars.update(self._tasks[self._now], completed=1, total=1)


class _Lines(Display):
    """A line about a stage that lasts, now and then."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._label = ""
        self._count = (0, 0)
        self._first = 0  # what was done when the stage first said how far it is, for the speed
        self._began = self._since = self._last_line = 0.0  # times of the stage, of that, and of the last line

    def stage(self, label: str) -> None:
        with self._lock:
            if label != self._label:
                self._label, self._count = label, (0, 0)
                self._began = time.monotonic()
                self._last_line = self._began + QUIET - PAUSE

    def progress(self, done: int, total: int) -> None:
        with self._lock:
            if not self._count[1]:
                self._first, self._since = done, time.monotonic()
            self._count = (done, total)

    def line(self, text: str) -> None:
        with self._lock:
            _say(text)

    def run(self) -> None:
        """Until it is over, say what is going on; in a thread of its own, for the work may be silent for minutes."""
        while not self._over.wait(0.25):
            with self._lock:
                now = time.monotonic()
                if now - self._last_line >= PAUSE:
                    self._last_line = now
                    _say(self._text(now))

    def finish(self) -> None:
        """No more lines."""
        self._over.set()

    def _text(self, now: float) -> str:
        done, total = self._count
        if not total:
            return f"{self._label} ... ({duration(now - self._began)})"
        shown = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if self._unit == "bytes" else f"{done} of {total}"
        left = ""
        if done > self._first:
            left = f", about {duration((now - self._since) * (total - done) / (done - self._first))} left"
        return f"{self._label}: {shown}{left}"


@contextlib.contextmanager
def _bars(unit: str) -> Iterator[_Bars]:
    shown = _Bars(unit)
    with shown.bars:
        yield shown
        shown.finish()


@contextlib.contextmanager
def _lines(unit: str) -> Iterator[_Lines]:
    shown = _Lines(unit)
    thread = threading.Thread(target=shown.run, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        shown.finish()
        thread.join()


def _say(text: str) -> None:
    print(text, flush=True)
