"""Options and displays that several commands share."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import DisMoError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..runtime import Runtime


def add_sampling_of_clip(parser: argparse.ArgumentParser) -> None:
    """--fps --start --frames --reverse: which frames of a clip are looked at."""
    parser.add_argument(
        "--fps", type=float, default=8.0, help="frames per second at which the clip is sampled (default 8)"
    )
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS", help="where in the clip to begin (default 0)"
    )
    parser.add_argument(
        "--frames", type=int, default=25, help="how many frames, at least 5; 0 = to the end (default 25)"
    )
    parser.add_argument("--reverse", action="store_true", help="read the clip backwards")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: cpu, cuda, cuda:1, mps."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps (default cpu; the tiny model needs no more)")


def best_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(name: str) -> str:
    """The name, where torch has such a device.

    Raises:
        DisMoError: unknown, or not on this machine.
    """
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DisMoError(
            f"The device {name!r} cannot be used here ({reason}). Choose another --device, for example cpu."
        ) from error
    return name


@contextlib.contextmanager
def progress_runtime(label: str, device: str) -> Iterator[Runtime]:
    """A `Runtime` on `device` whose progress is a bar in the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..runtime import Runtime

    runtime = Runtime.on(check_device(device))
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        task = bars.add_task(label, total=None)

        def progress(done: int, total: int, preview: Image | None) -> None:
            bars.update(task, completed=done, total=total)

        runtime.progress = progress
        yield runtime
