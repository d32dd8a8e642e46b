"""Paths of the held-out scenes: how something moves, grows or turns over 24 steps, smoothly or with an event."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DisMoError
from ..renderer import Trajectory

Array = NDArray[np.float64]
FRAMES = 25
STEPS = FRAMES - 1
SMOOTH = ("straight", "ease", "arc", "swell")
CHANGING = ("stop", "reverse", "speed", "corner")
SCALAR_SMOOTH = ("straight", "ease", "swell")  # laws that make sense for a size or an angle
SCALAR_CHANGING = ("stop", "reverse", "speed")


@dataclass(frozen=True)
class Path:
    """Where something is in each of T frames (25 in the scenes), relative to frame 0.

    Args:
        displacement: [T, 2] (x right, y down), px.
        log_scale: [T], natural logarithm of the factor on its size.
        angle: [T], clockwise turn, radians.
    """

    displacement: Array = field(default_factory=lambda: np.zeros((FRAMES, 2)))
    log_scale: Array = field(default_factory=lambda: np.zeros(FRAMES))
    angle: Array = field(default_factory=lambda: np.zeros(FRAMES))

    @classmethod
    def at_rest(cls, frames: int) -> Path:
        """Nothing moves in `frames` frames."""
        return cls(np.zeros((frames, 2)), np.zeros(frames), np.zeros(frames))

    def trajectory(self, start: Array | float = 0.0) -> Trajectory:
        """For the renderer, one clip, float64; `start` (x, y) px from the middle of the picture is where frame 0 is."""
        place, scale, angle = (
            torch.from_numpy(np.array(v)[None]) for v in (start + self.displacement, self.log_scale, self.angle)
        )
        return Trajectory(place, scale, angle)

    def _timed(self, gain: Array) -> Path:
        """This path's end state, reached as `gain` [25] says: 0 = as in frame 0, 1 = as in the last frame."""
        return Path(gain[:, None] * self.displacement[-1], gain * self.log_scale[-1], gain * self.angle[-1])

    @property
    def still(self) -> Path:
        """Nothing moves."""
        return self._timed(np.zeros(FRAMES))

    @property
    def linear(self) -> Path:
        """The right end at constant speed, straight."""
        return self._timed(np.linspace(0, 1, FRAMES))

    @property
    def jump(self) -> Path:
        """The right end, reached in one step half-way."""
        return self._timed((np.arange(FRAMES) > STEPS // 2).astype(float))

    @property
    def direction_only(self) -> Path:
        """The right direction at constant speed, but only 40 % of the displacement."""
        return self._timed(np.linspace(0, 0.4, FRAMES))

    def shuffled(self, rng: np.random.Generator) -> Path:
        """The right steps in a random order: what a motion shuffled in time asks for."""
        order = rng.permutation(STEPS)

        def reorder(values: Array) -> Array:
            return np.concatenate([values[:1], np.cumsum(np.diff(values, axis=0)[order], 0)])

        return Path(reorder(self.displacement), reorder(self.log_scale), reorder(self.angle))


def speeds(rng: np.random.Generator, law: str) -> tuple[Array, Array]:
    """Relative signed speed [24] and heading [24] (radians, from the first heading) of each step under `law`.

    Raises:
        DisMoError: no such law.
    """
    k = np.arange(STEPS)
    speed, heading = np.ones(STEPS), np.zeros(STEPS)
    event = int(rng.integers(9, 15))  # neither in the first nor in the last third
    sign = float(rng.choice([-1.0, 1.0]))
    if law == "ease":
        speed = 0.35 + np.sin(np.pi * (k + 0.5) / STEPS) ** 2
    elif law == "arc":
        heading = sign * np.deg2rad(rng.uniform(20, 50)) * k / (STEPS - 1)
    elif law == "swell":
        speed = 1 + 0.45 * np.sin(2 * np.pi * k / STEPS * rng.uniform(0.8, 1.3) + rng.uniform(0, 2 * np.pi))
    elif law == "stop":
        speed = (k < event).astype(float) if rng.random() < 0.6 else (k >= event).astype(float)
    elif law == "reverse":
        event = int(rng.choice([8, 9, 15, 16]))  # uneven, so that the end differs from the start
        speed = np.where(k < event, 1.0, -1.0)
    elif law == "speed":
        slow, fast = 1.0, rng.uniform(3.0, 4.0)
        speed = np.where(k < event, slow, fast) if rng.random() < 0.5 else np.where(k < event, fast, slow)
    elif law == "corner":
        heading = sign * np.pi / 2 * np.clip((k - event + 1) / 3, 0, 1)  # within three steps
    elif law != "straight":
        raise DisMoError(f"There is no path law {law!r}. Choose one of {', '.join(SMOOTH + CHANGING)}.")
    return speed, heading


def travel(rng: np.random.Generator, law: str, slowest: float, fastest: float, furthest: float) -> Array:
    """Displacement [25, 2], px, from frame 0.

    Args:
        rng: source of chance.
        law: one of `SMOOTH` or `CHANGING`.
        slowest: least speed while it moves, px a frame, where the other bounds leave room.
        fastest: greatest speed, px a frame.
        furthest: the largest distance from the start in any frame, px.
    """
    speed, heading = speeds(rng, law)
    heading = heading + rng.uniform(0, 2 * np.pi)
    unit = np.stack([speed * np.cos(heading), speed * np.sin(heading)], 1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(unit, 0)])
    most = min(fastest / np.abs(speed).max(), furthest / np.linalg.norm(path, axis=1).max())
    least = min(max(slowest / np.abs(speed)[np.abs(speed) > 0].min(), 0.6 * most), most)
    return np.asarray(path * rng.uniform(least, most))


def sweep(rng: np.random.Generator, law: str, smallest: float, largest: float) -> Array:
    """A quantity [25] that starts at 0 and whose largest absolute value is drawn from smallest..largest."""
    speed, _ = speeds(rng, law)
    path = np.concatenate([[0.0], np.cumsum(speed)])
    return np.asarray(path / np.abs(path).max() * rng.uniform(smallest, largest) * rng.choice([-1.0, 1.0]))
