"""Which frames of a video become a clip and its four pairs (specs/dismo.md, 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..motion import SOURCES, WINDOW
from .frames import Unusable

STEPS_PER_SECOND = 6.0  # frame steps of a clip
MIN_FPS = 3.0  # below it a step would be shorter than a frame
MAX_STEPS = 4  # from a source to its target
_SHAPE, _RATE = 3.0, 12.0  # of the gamma density of gaps, rate per second


@lru_cache(maxsize=2)  # the epoch that runs, and the one that begins
def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """In which order an epoch goes through `count` entries."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    order.flags.writeable = False
    return order


@dataclass(frozen=True)
class ClipDraw:
    """Frame numbers of one training sample.

    Args:
        motion: the 8 frames that the extractor sees; the first 4 are the sources. targets: one for each source.
        gaps: frame steps from source to target, above 0 and at most 4.
    """

    motion: tuple[int, ...]
    targets: tuple[int, ...]
    gaps: tuple[float, ...]


def frame_stride(fps: float) -> int:
    """Native frames in one frame step, for videos of at least `MIN_FPS`."""
    return max(1, round(fps / STEPS_PER_SECOND))


def gap_probabilities(fps: float) -> NDArray[np.float64]:
    """p(n) of a gap of n native frames, n = 0..4 strides: the Gamma(3, 12/s) density at n/fps seconds, normalised."""
    seconds = np.arange(MAX_STEPS * frame_stride(fps) + 1) / fps
    density = seconds ** (_SHAPE - 1) * np.exp(-_RATE * seconds)
    return np.asarray(density / density.sum())


def check_length(frames: int, fps: float) -> None:
    """Raise `Unusable` for a video that is too slow or too short for a clip."""
    if fps < MIN_FPS:
        raise Unusable("below 3 fps", f"{fps:.3g} frames per second; at least {MIN_FPS:g} are needed")
    needed = (WINDOW - 1) * frame_stride(fps) + 1
    if frames < needed:
        raise Unusable("too short", f"{frames} frames at {fps:.4g} fps; a clip spans {needed}")


def draw_clip(frames: int, fps: float, rng: np.random.Generator) -> ClipDraw:
    """Draw one clip of a video: its offset, evenly over all that fit, and a gap for each source.

    Args:
        frames, fps: of the video.

    Raises:
        Unusable: too short for a clip, or below 3 fps.
    """
    check_length(frames, fps)
    stride = frame_stride(fps)
    offset = int(rng.integers(frames - (WINDOW - 1) * stride))
    motion = tuple(offset + k * stride for k in range(WINDOW))
    probabilities = gap_probabilities(fps)
    native = rng.choice(len(probabilities), size=SOURCES, p=probabilities)
    targets = tuple(int(source + n) for source, n in zip(motion[:SOURCES], native, strict=True))
    return ClipDraw(motion, targets, tuple(float(n) / stride for n in native))
