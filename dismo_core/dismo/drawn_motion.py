"""Motions without a clip: a known movement is drawn in several scenes, extracted, and averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ..errors import DisMoError
from ..synthetic.appearances import Appearances, draw_appearances
from ..synthetic.draws import Draws
from ..synthetic.textures import texture_pool
from ..synthetic.trajectories import Trajectories
from .extract import embeddings_of
from .layered.similarity import Similarity, logarithm
from .motion import LOOK_AHEAD, Motion

if TYPE_CHECKING:
    from ..runtime import Runtime
    from .models.extractor import MotionExtractor

Part = Literal["camera", "thing"]
SCENES = 4  # of which a motion is the mean: what an embedding knows of a single scene cancels out
SEED = 7
TEXTURES = 24
RADIUS = (7.5, 10.5)  # of the thing, in 64ths of the picture: well seen, and small enough to have room
ROOM = 0.2  # sides of the picture that stay between the thing's middle and the edges, where its way allows
PIECE = 8  # frames that are drawn at once


@dataclass(frozen=True)
class Way:
    """Where the camera's picture, or a thing in it, is at each of T frames.

    Args:
        shift: float64 [T, 2], right and down, sides of the picture. Of the camera's picture: before it is magnified and turned.
        growth: float64 [T], natural logarithm of the magnification.
        turn: float64 [T], clockwise, radians.
    """

    shift: Tensor
    growth: Tensor
    turn: Tensor

    @property
    def frames(self) -> int:
        """T."""
        return len(self.turn)

    def steps(self, part: Part) -> Tensor:
        """What happens from frame to frame, [T - 1, 4], in the numbers of `MotionHead`: shift x, y, log scale, turn."""
        shift = torch.complex(self.shift[:, 0], self.shift[:, 1])
        rate = torch.complex(self.growth, self.turn)
        if part == "camera":
            moved = Similarity(rate.exp(), rate.exp() * shift)
            rate, shift = logarithm(moved[1:].after(moved[:-1].inverse()))
        else:
            rate, shift = rate.diff(), shift.diff()
        return torch.stack((shift.real, shift.imag, rate.real, rate.imag), dim=-1)


def check_drawing(frames: int, fps: float) -> None:
    """Raise unless a motion can have so many frames, and so many a second."""
    if frames <= LOOK_AHEAD:
        raise DisMoError(
            f"frames is {frames}; a motion needs at least {LOOK_AHEAD + 1}, because it looks {LOOK_AHEAD} ahead."
        )
    if not 0 < fps < math.inf:
        raise DisMoError(f"fps must be above 0 and finite, not {fps}.")


@torch.no_grad()
def drawn_motion(
    extractor: MotionExtractor,
    way: Way,
    part: Part,
    fps: float,
    source: str,
    *,
    start: Tensor | None = None,
    runtime: Runtime | None = None,
) -> Motion:
    """The mean of what an extractor finds in drawn clips of one way; each row as long as theirs are on average.

    Args:
        extractor: where it lies is where it runs.
        way: of at least 5 frames.
        part: what moves so: the camera over a ground, or a thing on a ground that stands still.
        fps: frames a second.
        source: of the motion.
        start: see `drawn_frames`.
        runtime: for progress and cancel; reports clips done.
    """
    check_drawing(way.frames, fps)
    found = []
    for scene in range(SCENES):
        frames = (frame for piece in drawn_frames(way, part, extractor.size[0], scene, start) for frame in piece)
        found.append(embeddings_of(extractor, frames, way.frames, None))
        if runtime is not None:
            runtime.progress(scene + 1, SCENES, None)
    rows, still = (_mean(torch.stack(each)) for each in zip(*found, strict=True))
    return Motion(rows, float(fps), source, extractor.extractor_id, still)


def _mean(rows: Tensor) -> Tensor:
    """Rows [B, ..., d] -> their mean [..., d], of their mean length."""
    mean, length = rows.mean(dim=0), rows.norm(dim=-1, keepdim=True).mean(dim=0)
    scaled: Tensor = mean * length / mean.norm(dim=-1, keepdim=True)
    return scaled


def drawn_frames(way: Way, part: Part, size: int, scene: int = 0, start: Tensor | None = None) -> Iterator[Tensor]:
    """The frames of a drawn clip in pieces [n, size, size, 3], -1..1.

    Args:
        way: what happens in it.
        part: to what.
        size: of the frames, px.
        scene: number of the appearance, from 0 on.
        start: (x, y) of a thing in frame 0, sides of the picture from its middle; moved so far that the thing stays in view.
            None = its way is about the middle.
    """
    draws, unit, steps = Draws(SEED + scene), size / 64, way.frames - 1
    shift = way.shift.float().diff(dim=0)[None] * size
    turn = torch.stack((way.growth, way.turn), dim=-1).float().diff(dim=0)[None]
    still = torch.zeros(1, steps, 2)
    if part == "camera":
        trajectories = Trajectories(torch.stack((still, still), 1), torch.stack((still, still), 1), shift, turn)
    else:
        trajectories = Trajectories(torch.stack((shift, still), 1), torch.stack((turn, still), 1), still, still)
    present = torch.tensor([[part == "thing", False]])
    seen = draw_appearances(1, trajectories, unit, 1.0, texture_pool(TEXTURES, draws), draws, present)
    if part == "thing":
        seen = _placed(seen, size * _start(way, start), unit, draws)
    for first in range(0, way.frames, PIECE):
        times = torch.arange(first, min(first + PIECE, way.frames)).float()[None]
        view = torch.tensor([0.0, 0.0, 1.0]).expand(1, times.shape[1], 3)
        yield seen.rendered(trajectories, times, size, view)[0]


def _start(way: Way, wanted: Tensor | None) -> Tensor:
    """Where a thing begins, [2], so that its way stays in the picture as far as it can."""
    low, high = ROOM - 0.5 - way.shift.amin(dim=0), 0.5 - ROOM - way.shift.amax(dim=0)
    middle = (low + high) / 2
    if wanted is None:
        return middle.float()
    return torch.where(low <= high, wanted.to(low).maximum(low).minimum(high), middle).float()


def _placed(seen: Appearances, start: Tensor, unit: float, draws: Draws) -> Appearances:
    """With the first object there, of a size that is well seen."""
    place, radius = seen.start.clone(), seen.radius.clone()
    place[:, 0] = start
    radius[:, 0] = draws.uniform(*RADIUS) * unit
    return replace(seen, start=place, radius=radius)
