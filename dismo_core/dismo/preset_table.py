"""The ready-made moves: how camera or thing goes over time, each as a formula and in a user's words.

Moves that go one way are spread over the whole clip, however long it is. Those that repeat keep their beat: it is in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .drawn_motion import Part, Way

# Share of the clip that has passed [T], 0..1, and seconds [T] -> named parts of a way, each [T]: x, y, growth, turn.
Formula = Callable[[Tensor, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Preset:
    """A ready-made move.

    Args:
        name: as users write it.
        part: what moves.
        words: what is seen, in a line.
        formula: how it moves.
    """

    name: str
    part: Part
    words: str
    formula: Formula

    def way(self, frames: int, fps: float) -> Way:
        """The move at `frames` frames, `fps` a second; it begins at 0."""
        count = torch.arange(frames, dtype=torch.float64)
        parts = self.formula(count / max(1, frames - 1), count / fps)
        x, y, growth, turn = (parts.get(name, torch.zeros_like(count)) for name in ("x", "y", "growth", "turn"))
        shift = torch.stack((x, y), dim=-1)
        return Way(shift - shift[0], growth - growth[0], turn - turn[0])


def eased(share: Tensor) -> Tensor:
    """0 to 1, gently at both ends."""
    return share * share * (3 - 2 * share)


def swing(seconds: Tensor, period: float) -> Tensor:
    """A sine: from the middle to one side first, -1..1."""
    return torch.sin(2 * math.pi * seconds / period)


def rounds(seconds: Tensor, period: float) -> Tensor:
    """1 minus a cosine: with `swing` a circle that begins on its edge, 0..2."""
    return 1 - torch.cos(2 * math.pi * seconds / period)


def sudden(share: Tensor) -> Tensor:
    """0 to 1 within the middle of the clip, after a rest and before one."""
    return eased(((share - 0.3) / 0.4).clamp(0, 1))


def arch(seconds: Tensor, period: float) -> Tensor:
    """Parabolas of a ball that bounces, 0 on the ground and 1 at the top."""
    return 1 - (2 * torch.remainder(seconds / period, 1) - 1) ** 2


def stroll(seconds: Tensor, late: float) -> Tensor:
    """An uneven wander, about -1..1: three sines that do not fit each other."""
    beats = ((0.24, 0.0, 0.6), (0.38, 1.3, 0.35), (0.55, 2.9, 0.15))
    return sum((a * torch.sin(2 * math.pi * f * seconds + p + late) for f, p, a in beats), torch.zeros_like(seconds))


CAMERA: tuple[tuple[str, str, Formula], ...] = (
    ("pan-left", "the camera turns left: the picture slides right", lambda s, t: {"x": 0.6 * s}),
    ("pan-right", "the camera turns right: the picture slides left", lambda s, t: {"x": -0.6 * s}),
    ("tilt-up", "the camera turns up: the picture slides down", lambda s, t: {"y": 0.6 * s}),
    ("tilt-down", "the camera turns down: the picture slides up", lambda s, t: {"y": -0.6 * s}),
    (
        "truck-left",
        "the camera moves left, starting and stopping gently: the picture slides right",
        lambda s, t: {"x": 0.6 * eased(s)},
    ),
    (
        "truck-right",
        "the camera moves right, starting and stopping gently: the picture slides left",
        lambda s, t: {"x": -0.6 * eased(s)},
    ),
    (
        "pedestal-up",
        "the camera rises, starting and stopping gently: the picture sinks",
        lambda s, t: {"y": 0.6 * eased(s)},
    ),
    (
        "pedestal-down",
        "the camera sinks, starting and stopping gently: the picture rises",
        lambda s, t: {"y": -0.6 * eased(s)},
    ),
    (
        "whip-pan-left",
        "the camera rests, flicks left and rests: the picture jumps right",
        lambda s, t: {"x": 0.3 * sudden(s)},
    ),
    (
        "whip-pan-right",
        "the camera rests, flicks right and rests: the picture jumps left",
        lambda s, t: {"x": -0.3 * sudden(s)},
    ),
    ("zoom-in", "the picture grows steadily", lambda s, t: {"growth": 0.6 * s}),
    ("zoom-out", "the picture shrinks steadily", lambda s, t: {"growth": -0.6 * s}),
    ("dolly-in", "a push-in that starts and stops gently: the picture grows", lambda s, t: {"growth": 0.7 * eased(s)}),
    (
        "dolly-out",
        "a pull-out that starts and stops gently: the picture shrinks",
        lambda s, t: {"growth": -0.7 * eased(s)},
    ),
    ("crash-zoom", "the picture rests, grows at once and rests", lambda s, t: {"growth": 0.45 * sudden(s)}),
    ("roll-left", "the camera turns over to the left: the picture turns clockwise", lambda s, t: {"turn": 0.9 * s}),
    (
        "roll-right",
        "the camera turns over to the right: the picture turns anticlockwise",
        lambda s, t: {"turn": -0.9 * s},
    ),
    (
        "arc-left",
        "the camera swings left in a flat curve: the picture slides right, then down",
        lambda s, t: {"x": 0.4 * torch.sin(1.6 * s), "y": 0.4 * (1 - torch.cos(1.6 * s))},
    ),
    (
        "arc-right",
        "the camera swings right in a flat curve: the picture slides left, then down",
        lambda s, t: {"x": -0.4 * torch.sin(1.6 * s), "y": 0.4 * (1 - torch.cos(1.6 * s))},
    ),
    (
        "spiral",
        "the camera goes round in a widening circle",
        lambda s, t: {"x": 0.22 * s * torch.cos(2 * math.pi * s), "y": 0.22 * s * torch.sin(2 * math.pi * s)},
    ),
    (
        "pendulum",
        "the camera swings from side to side, lowest in the middle",
        lambda s, t: {"x": 0.16 * swing(t, 2.4), "y": -0.02 * rounds(t, 1.2)},
    ),
    ("rock", "the camera rocks from side to side as a boat does", lambda s, t: {"turn": 0.3 * swing(t, 2.5)}),
    (
        "handheld",
        "the camera wanders a little, as in a hand",
        lambda s, t: {"x": 0.16 * stroll(t, 0.0), "y": 0.12 * stroll(t, 2.0)},
    ),
    (
        "shake",
        "the camera trembles, as near something heavy",
        lambda s, t: {"x": 0.06 * swing(t, 1.4), "y": 0.05 * swing(t, 1.9)},
    ),
)
THING: tuple[tuple[str, str, Formula], ...] = (
    (
        "thing-bounce",
        "the thing bounces as a ball does",
        lambda s, t: {"y": -0.12 * arch(t, 2.2) - 0.06 * rounds(t, 2.2)},
    ),
    ("thing-swing", "the thing swings from side to side", lambda s, t: {"x": 0.15 * swing(t, 2.6)}),
    ("thing-spin-left", "the thing turns anticlockwise on the spot", lambda s, t: {"turn": -4.0 * s}),
    ("thing-spin-right", "the thing turns clockwise on the spot", lambda s, t: {"turn": 4.0 * s}),
    ("thing-wave", "the thing goes right in waves", lambda s, t: {"x": 0.45 * s, "y": 0.09 * swing(t, 2.0)}),
    ("thing-rise", "the thing rises, starting and stopping gently", lambda s, t: {"y": -0.5 * eased(s)}),
    ("thing-fall", "the thing falls, faster and faster", lambda s, t: {"y": 0.6 * s * s}),
    ("thing-shake", "the thing trembles", lambda s, t: {"x": 0.08 * swing(t, 1.8)}),
    ("thing-pulse", "the thing grows and shrinks again", lambda s, t: {"growth": 0.25 * rounds(t, 3.0)}),
    ("thing-grow", "the thing grows, starting and stopping gently", lambda s, t: {"growth": 0.5 * eased(s)}),
    ("thing-shrink", "the thing shrinks, starting and stopping gently", lambda s, t: {"growth": -0.6 * eased(s)}),
    (
        "thing-circle",
        "the thing goes round in a circle, clockwise",
        lambda s, t: {"x": 0.14 * swing(t, 3.0), "y": 0.14 * rounds(t, 3.0)},
    ),
)
PRESETS = {row[0]: Preset(row[0], "camera", *row[1:]) for row in CAMERA} | {
    row[0]: Preset(row[0], "thing", *row[1:]) for row in THING
}
