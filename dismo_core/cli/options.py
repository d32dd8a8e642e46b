"""Options and displays that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DisMoError, first_line
from .progress import Display, display

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..runtime import Runtime


DEVICES = ("cpu", "cuda", "mps", "xpu")


def add_sampling_of_clip(parser: argparse.ArgumentParser) -> None:
    """--fps --start --frames --reverse --background: which frames of a clip are read, and how."""
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
    parser.add_argument(
        "--background",
        default="black",
        metavar="COLOR",
        help="what shows through transparent pixels: black, white, '#ff8800' ... (default black)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: cpu, cuda, cuda:1, mps."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps (default cpu; the tiny model needs no more)")


def check_input(path: str | os.PathLike[str], what: str) -> None:
    """Raise where there is no such file; asked before anything else.

    Args:
        path: of the file.
        what: it is to be, for the message.
    """
    if not os.path.exists(path):
        raise DisMoError(f"There is no file {os.fspath(path)}. Check the path of the {what}.")
    if os.path.isdir(path):
        raise DisMoError(f"{os.fspath(path)} is a folder, not a {what}. Give the path of one file.")


def check_range(arguments: argparse.Namespace, name: str, low: float, high: float) -> None:
    """Raise unless the number of the option called `name` lies in `low` to `high`."""
    value = getattr(arguments, name)
    if not low <= value <= high:
        raise DisMoError(f"--{name.replace('_', '-')} must be {low:g} to {high:g}, not {value:g}.")


def best_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(name: str) -> str:
    """The name, where torch has such a device and it can be used.

    Raises:
        DisMoError: unknown, or not on this machine.
    """
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        kind = name.partition(":")[0]
        if kind not in DEVICES:
            asked = "Did you mean cuda? " if kind.lower() in ("gpu", "nvidia", "rocm", "amd") else ""
            raise DisMoError(f"There is no device {name!r}. {asked}Choose one of {', '.join(DEVICES)}.") from error
        raise DisMoError(
            f"The device {name!r} cannot be used here ({first_line(error)}). Choose another --device, for example cpu."
        ) from error
    return name


def chosen_device(asked: str | None) -> str:
    """The device asked for, where it is there; else a GPU, or the CPU."""
    return check_device(asked or best_device())


def check_demo_folder(out: Path) -> None:
    """Raise where the folder that a demo is to fill is a file."""
    if out.exists() and not out.is_dir():
        raise DisMoError(f"{out} is a file; the demo needs a folder. Choose another with --out.")


def stages_of(shown: Display) -> Callable[[str], None]:
    """What is to be called with each stage of a job, so that `shown` shows it."""
    return lambda label: shown.stage(label[:1].upper() + label[1:])


@contextlib.contextmanager
def progress_runtime(label: str, device: str) -> Iterator[Runtime]:
    """A `Runtime` on `device` whose progress and stages are shown; `label` says what is done at first."""
    with display(label) as shown:
        yield shown_runtime(shown, device)


def shown_runtime(shown: Display, device: str) -> Runtime:
    """A `Runtime` on `device` whose progress and stages `shown` shows."""
    from ..runtime import Runtime

    def progress(done: int, total: int, preview: Image | None) -> None:
        shown.progress(done, total)

    runtime = Runtime.on(check_device(device))
    runtime.progress = progress
    runtime.stage = stages_of(shown)
    return runtime
