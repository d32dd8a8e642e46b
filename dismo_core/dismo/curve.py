"""Strength over time: the keys of a curve as people write them, and the values between them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import DisMoError
from ..settings import STRONGEST

EXAMPLE = 'Write keys as "0:1, 12:0.2, 24:1": frame and strength.'


@dataclass(frozen=True)
class Curve:
    """A value at every frame: that of the first key before it, that of the last one after it.

    Args:
        keys: (frame, value), frames rising.
        smooth: goes in and out of every key with no slope (a cubic between them) instead of straight from key to key.

    Raises:
        DisMoError: no key, keys out of order, frames below 0, or values that are not 0 to 2.
    """

    keys: Sequence[tuple[float, float]]
    smooth: bool = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise DisMoError(f"The curve has no key. {EXAMPLE}")
        last = -1.0
        for frame, value in self.keys:
            if not (math.isfinite(frame) and frame >= 0 and 0 <= value <= STRONGEST):
                raise DisMoError(
                    f"The key {frame:g}:{value:g} cannot be: frames are 0 and more, strengths 0 (still) to {STRONGEST:g}."
                )
            if frame <= last:
                raise DisMoError(f"The keys of the curve are out of order: frame {frame:g} comes after {last:g}.")
            last = frame

    def values(self, frames: int) -> list[float]:
        """The value at each of so many frames.

        Raises:
            DisMoError: a key beyond the last frame.
        """
        if self.keys[-1][0] > frames - 1:
            raise DisMoError(
                f"The curve has a key at frame {self.keys[-1][0]:g}; the motion's last frame is {frames - 1}. Move the key, or "
                "take a longer motion."
            )
        return [self._at(float(frame)) for frame in range(frames)]

    def _at(self, frame: float) -> float:
        following = bisect_right(self.keys, frame, key=lambda key: key[0])
        if following in (0, len(self.keys)):
            return self.keys[max(0, following - 1)][1]
        (start, low), (end, high) = self.keys[following - 1], self.keys[following]
        share = (frame - start) / (end - start)
        if self.smooth:
            share = share * share * (3 - 2 * share)
        return low + (high - low) * share


# Name -> the curve over so many frames.
PRESETS: dict[str, Callable[[int], Curve]] = {
    "ease-in": lambda frames: Curve(((0, 0.0), (frames - 1, 1.0)), smooth=True),
    "ease-out": lambda frames: Curve(((0, 1.0), (frames - 1, 0.0)), smooth=True),
    "ease-in-out": lambda frames: Curve(((0, 0.0), ((frames - 1) / 2, 1.0), (frames - 1, 0.0)), smooth=True),
    "ping-pong": lambda frames: Curve(((0, 1.0), ((frames - 1) / 2, 0.0), (frames - 1, 1.0)), smooth=True),
}


def read_curve(text: str, smooth: bool = False) -> Callable[[int], list[float]]:
    """What a user wrote, as a function: frames of a motion -> the value at each of them.

    Args:
        text: keys, "0:1, 12:0.2, 24:1", or the name of one of `PRESETS`.
        smooth: see `Curve`; presets are.

    Raises:
        DisMoError: neither, or keys that `Curve` refuses; the function raises where a key lies beyond the last frame.
    """
    name = text.strip().lower()
    if name in PRESETS:
        return lambda frames: PRESETS[name](frames).values(frames)
    keys = []
    for part in text.split(","):
        frame, colon, value = part.partition(":")
        try:
            if not colon:
                raise ValueError
            keys.append((float(frame), float(value)))
        except ValueError:
            raise DisMoError(
                f"{part.strip()[:40]!r} is no key of a curve. {EXAMPLE} Or name one of: {', '.join(PRESETS)}."
            ) from None
    return Curve(tuple(keys), smooth).values
