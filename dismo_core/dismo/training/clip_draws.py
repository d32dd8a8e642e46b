"""Which frames of a video become a clip and its four pairs (docs/methods/dismo.md, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.epochs import check_length, frame_stride
from ..motion import SOURCES, WINDOW

MAX_STEPS = 4  # from a source to its target
_SHAPE, _RATE = 3.0, 12.0  # of the gamma density of gaps, rate per second


@dataclass(frozen=True)
class ClipDraw:
    """Frame numbers of one training sample.

    Args:
        motion: the 8 frames that the extractor sees; the first 4 are the sources.
        targets: one for each source.
        gaps: frame steps from source to target, above 0 and at most 4.
    """

    motion: tuple[int, ...]
    targets: tuple[int, ...]
    gaps: tuple[float, ...]


def gap_probabilities(fps: float) -> NDArray[np.float64]:
    """p(n) of a gap of n native frames, n = 0..4 strides: the Gamma(3, 12/s) density at n/fps seconds, normalised."""
    seconds = np.arange(MAX_STEPS * frame_stride(fps) + 1) / fps
    density = seconds ** (_SHAPE - 1) * np.exp(-_RATE * seconds)
    return np.asarray(density / density.sum())


def draw_clip(frames: int, fps: float, rng: np.random.Generator) -> ClipDraw:
    """Draw one clip of a video: its offset, evenly over all that fit, and a gap for each source.

    Args:
        frames: of the video.
        fps: of the video.

    Raises:
        Unusable: too short for a clip, or below 3 fps.
    """
    check_length(frames, fps, WINDOW)
    stride = frame_stride(fps)
    offset = int(rng.integers(frames - (WINDOW - 1) * stride))
    motion = tuple(offset + k * stride for k in range(WINDOW))
    probabilities = gap_probabilities(fps)
    native = rng.choice(len(probabilities), size=SOURCES, p=probabilities)
    targets = tuple(int(source + n) for source, n in zip(motion[:SOURCES], native, strict=True))
    return ClipDraw(motion, targets, tuple(float(n) / stride for n in native))
