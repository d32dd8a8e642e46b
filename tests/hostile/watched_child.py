"""The process that reads hostile input. Whatever it tries beyond reading is forbidden, and time and memory are limited.

`python watched_child.py SUITE FOLDER` makes the suite's files in FOLDER, then reads lines `START STOP` and answers each case
with a line `NUMBER OUTCOME DETAIL`. A case that hangs or crashes ends the process; `watched.py` sees that and starts another.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import math
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None

SECONDS = int(os.environ.get("HOSTILE_SECONDS", 30))  # of processor time for one case
PATIENCE = 10  # times as many by the clock, since others may use the processor too
MEMORY = 4 << 30  # bytes of address space, all libraries included
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
_PROGRAMS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "os.startfile"}


class Forbidden(BaseException):
    """Not an Exception, so that no handler takes it for a damaged file."""


class Guard:
    """An audit hook: network, programs, and writing outside `folder` raise, and are remembered."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("socket.") and event != "socket.__new__" or event in _PROGRAMS:
            self._forbid(event, arguments)
        elif event == "open":
            path, mode, flags = arguments
            writes = bool(flags & _WRITING) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
            if writes and isinstance(path, (str, bytes)) and not self._inside(path):
                self._forbid(event, arguments)
        elif event in _CHANGES:
            paths = [path for path in arguments[:2] if isinstance(path, (str, bytes))]
            if not all(map(self._inside, paths)):
                self._forbid(event, arguments)

    def _inside(self, path: str | bytes) -> bool:
        # the folder that holds it: the last part may be a link, which is not followed when it is replaced
        whole = os.path.abspath(os.fsdecode(path))
        folder = os.path.realpath(os.path.dirname(whole))
        inside = os.path.commonpath((folder, self.folder)) == self.folder
        return inside or os.path.realpath(whole) == self.folder or whole == os.devnull

    def _forbid(self, event: str, arguments: tuple[object, ...]) -> None:
        self.seen.append(f"{event}{arguments[:2]!r}")
        raise Forbidden(self.seen[-1])


def main() -> None:
    suite = importlib.import_module(sys.argv[1])
    folder = Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)  # whatever a library prints does not come between the answers
    from dismo_core import DisMoError

    if not (folder / "made").exists():
        suite.prepare(folder)
        (folder / "made").touch()
    out = folder / "out"
    out.mkdir(exist_ok=True)
    tempfile.tempdir = str(out)
    sys.dont_write_bytecode = True
    import torch._dynamo  # noqa: F401  torch imports it at the first need, and makes a folder outside for it
    import urllib3  # noqa: F401  tries a socket when it is imported, as diffusers does at its first need

    logging.disable()
    warnings.simplefilter("ignore")
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        faulthandler.register(signal.SIGXCPU, chain=True)  # says where, then ends the process
    guard = Guard(out)
    for line in sys.stdin:
        for number in range(*map(int, line.split())):
            guard.seen.clear()
            faulthandler.dump_traceback_later(PATIENCE * SECONDS, exit=True)
            if resource is not None:
                used = math.ceil(time.process_time())
                resource.setrlimit(resource.RLIMIT_CPU, (used + SECONDS, resource.RLIM_INFINITY))
            try:
                suite.attempt(folder, number)
                outcome = "read"
            except DisMoError as error:
                outcome = f"refused {error}" if str(error).strip() else "failed a DisMoError without words"
            except BaseException as error:
                where = " < ".join(
                    f"{Path(f.filename).name}:{f.lineno}" for f in reversed(traceback.extract_tb(error.__traceback__))
                )
                outcome = f"failed {type(error).__name__}: {error} ({where})"
            faulthandler.cancel_dump_traceback_later()
            if resource is not None:  # the limit is of the case: what ends the process has its time beside it
                resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            if guard.seen:
                outcome = f"failed forbidden: {guard.seen}"
            print(number, " ".join(outcome.split())[:2000], file=answers, flush=True)


if __name__ == "__main__":
    main()
