"""In which order a run goes through its videos, and which videos are long enough for a clip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import DisMoError
from .frames import Unusable

MOST_SKIPPED = 100  # in a row; more, and there is something wrong with the whole set
STEPS_PER_SECOND = 6.0  # frame steps of a clip
MIN_FPS = 3.0  # below it a step would be shorter than a frame


@lru_cache(maxsize=2)  # the epoch that runs, and the one that begins
def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """In which order an epoch goes through `count` entries."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    order.flags.writeable = False
    return order


def frame_stride(fps: float) -> int:
    """Native frames in one frame step, for videos of at least `MIN_FPS`."""
    return max(1, round(fps / STEPS_PER_SECOND))


def check_length(frames: int, fps: float, clip: int) -> None:
    """Raise `Unusable` for a video of `frames` at `fps` that is too slow, or too short for a clip of `clip` frame steps' frames."""
    if fps < MIN_FPS:
        raise Unusable("below 3 fps", f"{fps:.3g} frames per second; at least {MIN_FPS:g} are needed")
    needed = (clip - 1) * frame_stride(fps) + 1
    if frames < needed:
        raise Unusable("too short", f"{frames} frames at {fps:.4g} fps; a clip spans {needed}")


def check_skipped(skipped: Sequence[tuple[str, str]], entries: int = MOST_SKIPPED) -> None:
    """Raise where so many entries in a row cannot be used that no more need be tried."""
    if len(skipped) >= min(entries, MOST_SKIPPED):
        name, reason = skipped[-1]
        raise DisMoError(
            f"{len(skipped)} entries in a row cannot be used for training, the last of them {name} ({reason}).",
            hint="check shards",
        )
