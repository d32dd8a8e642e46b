"""From readings to a path: how ground and thing have moved at any time since the first frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..motion import LOOK_AHEAD
from .head import NUMBERS
from .similarity import Similarity, exponential

MOVES = ("auto", "scene", "thing", "both")
PIECE, OVERLAP = 512, 32  # frame steps that are solved at once, and beside them: further ones do not matter
GROUND, THING = slice(0, 4), slice(4, 8)
KINDS = {  # of movement -> which of the numbers
    "ground shift": slice(0, 2),
    "ground growth": slice(2, 3),
    "ground turn": slice(3, 4),
    "thing shift": slice(4, 6),
    "thing growth": slice(6, 7),
    "thing turn": slice(7, 8),
}
# Sides of the picture that a 1 in each number moves points, on average over a ground and over a thing of usual size.
REACH = torch.tensor([1, 1, 0.35, 0.35, 1, 1, 0.15, 0.15])
STRETCH = 24  # frame steps; over more of them, small errors add up to what looks like movement
# Of the largest movement: what goes less far is taken for an error of reading. Turns of things are read worst.
QUIET = {kind: 0.35 if kind == "thing turn" else 0.25 for kind in KINDS}
SMOOTHNESS = 5.0  # how much more a change of pace is held back than an error of one reading over one step
STANDSTILL = 0.015  # sides of the picture; what nothing exceeds is a clip that stands still
LARGEST_ZOOM = 100.0


@dataclass(frozen=True)
class Path:
    """How ground and thing move from frame to frame.

    Args:
        steps: float64 [F - 1, 8], see `MotionHead`.
        fps: frames a second.
    """

    steps: Tensor
    fps: float
    _sums: dict[tuple[str, tuple[int, int]], Similarity] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def frames(self) -> int:
        """F."""
        return len(self.steps) + 1

    def only(self, ground: bool, thing: bool) -> Path:
        """With what does not move set still."""
        steps = self.steps.clone()
        if not ground:
            steps[:, GROUND] = 0
        if not thing:
            steps[:, THING] = 0
        return replace(self, steps=steps)

    def ground(self, times: Tensor, size: tuple[int, int]) -> Similarity:
        """How the picture's ground has moved on the screen.

        Args:
            times: [N], frames, 0 to F - 1, fractions too.
            size: (height, width), px; a shift of 1 is as many.

        Returns:
            Complex [N], px from the middle of the screen.
        """
        index, part = self._split(times)
        step = exponential(self._rate(GROUND, index) * part, self._shift(GROUND, size, index) * part)
        return step.after(self._at_frames("ground", size)[index])

    def thing(self, times: Tensor, size: tuple[int, int], centre: complex) -> Similarity:
        """How the thing has moved on the ground, about its `centre` (px from the middle); see `ground`."""
        index, part = self._split(times)
        whole = self._at_frames("thing", size)[index]
        rate, shift = (step * part for step in (self._rate(THING, index), self._shift(THING, size, index)))
        return Similarity((whole.scale + rate).exp(), whole.shift + shift).about(centre)

    def _at_frames(self, part: str, size: tuple[int, int]) -> Similarity:
        """How the ground has moved at all frames; of the thing rate and shift summed up. Kept: a video asks at every frame."""
        if (part, size) not in self._sums:
            if part == "ground":
                steps = exponential(self._rate(GROUND), self._shift(GROUND, size))
                scale = torch.cat((torch.ones(1).to(steps.scale), steps.scale.cumprod(0)))
                shift = torch.cat((torch.zeros(1).to(steps.scale), (steps.shift / scale[1:]).cumsum(0))) * scale
            else:
                rate, glide = self._rate(THING), self._shift(THING, size)
                scale, shift = (torch.cat((torch.zeros(1).to(step), step.cumsum(0))) for step in (rate, glide))
            self._sums[part, size] = Similarity(scale, shift)
        return self._sums[part, size]

    def _rate(self, part: slice, index: Tensor | slice = slice(None)) -> Tensor:
        steps = self.steps[index, part]
        return torch.complex(steps[:, 2], steps[:, 3])

    def _shift(self, part: slice, size: tuple[int, int], index: Tensor | slice = slice(None)) -> Tensor:
        steps = self.steps[index, part]
        return torch.complex(steps[:, 0] * size[1], steps[:, 1] * size[0])

    def _split(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Step that a time lies in, and how much of it has passed."""
        times = times.double().clamp(0, len(self.steps))
        index = times.floor().long().clamp(max=len(self.steps) - 1)
        return index, times - index


def integrate(readings: Tensor, spread: Tensor) -> Tensor:
    """The steps that agree best with all readings, each weighted by how sure it is, and change least (least squares).

    Every step is seen by up to four embeddings, and by each over several gaps: sixteen readings for four unknowns.

    Args:
        readings: [P, 4, 8], see `MotionHead`.
        spread: [4, 8], their standard deviations.

    Returns:
        float64 [P + 3, 8].
    """
    readings, spread = (x.cpu().double() for x in (readings, spread))  # on the CPU: GPUs of Apple have no float64
    weight = spread.square().reciprocal()
    steps = torch.zeros(len(readings) + LOOK_AHEAD - 1, NUMBERS, dtype=torch.float64)
    for start in range(0, len(steps), PIECE):
        first, last = max(0, start - OVERLAP), min(len(steps), start + PIECE + OVERLAP)
        part = readings[first : last - LOOK_AHEAD + 1]
        solved = _solved(part, weight)
        end = min(len(steps), start + PIECE)
        steps[start:end] = solved[start - first : end - first]
    return steps


def _solved(readings: Tensor, weight: Tensor) -> Tensor:
    """`integrate` of one piece, by its normal equations: a band of four beside the diagonal."""
    count = len(readings)
    length = count + LOOK_AHEAD - 1
    matrix = torch.zeros(NUMBERS, length, length, dtype=torch.float64)
    right = torch.zeros(length, NUMBERS, dtype=torch.float64)
    for gap in range(LOOK_AHEAD):  # a reading over gap + 1 steps
        for row in range(gap + 1):
            right[row : row + count] += weight[gap] * readings[:, gap]
            for column in range(gap + 1):
                place = torch.arange(count)
                matrix[:, place + row, place + column] += weight[gap][:, None]
    changes = torch.diff(torch.eye(length, dtype=torch.float64), dim=0)
    matrix += SMOOTHNESS * weight[0][:, None, None] * (changes.T @ changes)
    solved: Tensor = torch.linalg.solve(matrix, right.T[..., None])
    return solved[..., 0].T


def moving(steps: Tensor) -> tuple[bool, bool]:
    """Whether the ground and whether the thing moves at all in steps [S, 8]."""
    return bool((steps[:, GROUND] != 0).any()), bool((steps[:, THING] != 0).any())


def quieted(steps: Tensor) -> Tensor:
    """Steps without what is an error of reading: kinds of movement that go much less far than the largest one.

    Nothing is left where nothing goes farther than `STANDSTILL`.

    Args:
        steps: [S, 8], of a motion whose standstill reads as 0.
    """
    far = extents(steps)
    largest = max(far.values())
    steps = steps.clone()
    for kind, columns in KINDS.items():
        if largest < STANDSTILL or far[kind] < QUIET[kind] * largest:
            steps[:, columns] = 0
    return steps


def extents(steps: Tensor) -> dict[str, float]:
    """How far each kind of movement goes within a stretch of at most `STRETCH` steps, in sides of the picture.

    Growth and turn count as the way that points of ground and thing go by them, on average.

    Args:
        steps: [S, 8].

    Returns:
        One number for each of `KINDS`.
    """
    way = torch.cat((torch.zeros(1, NUMBERS, dtype=steps.dtype), steps.cumsum(dim=0)))
    stretch = min(STRETCH, len(steps))
    windows = way.unfold(0, stretch + 1, 1)  # [N, 8, stretch + 1]
    windows = (windows - windows[..., :1]) * REACH.to(steps)[:, None]
    return {kind: float(windows[:, columns].square().sum(dim=1).amax().sqrt()) for kind, columns in KINDS.items()}


def stopped_zoom(steps: Tensor) -> tuple[Tensor, int | None]:
    """Steps whose growth is stopped at `LARGEST_ZOOM`, and the frame where that happened first."""
    limit = math.log(LARGEST_ZOOM)
    first: int | None = None
    steps = steps.clone()
    for column in (2, 6):
        way = steps[:, column].cumsum(0)
        beyond = torch.nonzero(way.abs() > limit).flatten()
        if len(beyond):
            first = int(beyond[0]) + 1 if first is None else min(first, int(beyond[0]) + 1)
            way = way.clamp(-limit, limit)
            steps[:, column] = torch.diff(way, prepend=torch.zeros(1, dtype=way.dtype))
    return steps, first
