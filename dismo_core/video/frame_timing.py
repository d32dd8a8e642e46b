"""One frame of a file, how and when it is shown; its pixels are made only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .alpha import BLACK, RGB

LONGEST = 3600.0  # seconds for which one frame is shown; time stamps that say more are damaged


@dataclass(frozen=True)
class Display:
    """How pixels are made.

    Args:
        background: color that shows through transparent pixels.
        square: stretch pictures whose stored pixels are not square.
    """

    background: RGB = BLACK
    square: bool = True


DEFAULT_DISPLAY = Display()


@dataclass(frozen=True)
class TimedFrame:
    """One frame of a file.

    Args:
        time: seconds after the beginning of the stream from which it is shown.
        duration: seconds for which the file shows it (as known so far).
        tick: seconds of the stream's clock; times are rounded to it.
        rgb: makes the pixels, uint8 [H, W, 3].
    """

    time: float
    duration: float
    tick: float
    rgb: Callable[[], Tensor]
