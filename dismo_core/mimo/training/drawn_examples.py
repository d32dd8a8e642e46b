"""Drawn figures as examples for training: a figure on white or in a scene, its body, and itself in another pose."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...synthetic.draws import Draws
from ..crops.square import prepare_reference
from ..drawn.drawn_scenes import draw_front, draw_ground, over
from ..drawn.figure import MANNEQUIN, Figure, draw_figure, paint, walking
from .examples import Example

SIZE = 64  # px
WORLDS = 256  # scenes; which part of one is seen is drawn each time
OWN_SHAPE = 0.4  # share of examples whose body has the character's own outline; the others, someone else's
ON_WHITE = 0.4  # share without a scene, as `animate` makes them
FPS = 30


def draw_examples(
    draws: Draws,
    count: int,
    frames: int = 1,
) -> tuple[list[Example], list[Figure]]:
    """Examples and their figures.

    Args:
        draws: of everything.
        count: of examples.
        frames: of each.
    """
    made = [_example(draws, frames) for _ in range(count)]
    return [example for example, _ in made], [figure for _, figure in made]


def _example(draws: Draws, frames: int) -> tuple[Example, Figure]:
    figure, other = draw_figure(draws), draw_figure(draws)
    shape = figure if draws.uniform(0, 1) < OWN_SHAPE else other
    body = Figure(MANNEQUIN.colors, shape.legs, shape.arms, shape.torso, shape.head)
    scene = torch.ones(SIZE, SIZE, 3) if draws.uniform(0, 1) < ON_WHITE else _scene(draws)
    height = draws.uniform(0.5, 0.93) * SIZE
    foot = draws.uniform(0.5 * SIZE + 0.5 * height, 0.985 * SIZE)
    begin, speed = draws.uniform(0.25, 0.75) * SIZE, draws.uniform(-0.6, 0.6)  # px, px a frame
    cycle, lift, stride = draws.uniform(0.7, 1.1), draws.uniform(0, 0.5), draws.uniform(0.35, 0.5)
    first = draws.uniform(0, 2)
    targets, bodies = [], []
    for number in range(frames):
        pose = walking(first + number / FPS, cycle, stride, lift)
        where = (begin + speed * (number - (frames - 1) / 2), foot, height)
        targets.append(_bytes(over(scene, *paint(figure, pose, *where, (SIZE, SIZE)))))
        color, coverage = paint(body, pose, *where, (SIZE, SIZE))
        bodies.append(_bytes(color * coverage[..., None]))
    return Example(targets, [_bytes(scene)] * frames, bodies, _reference(draws, figure)), figure


def _reference(draws: Draws, figure: Figure) -> NDArray[np.uint8]:
    """The figure in a pose of its own, as `prepare_reference` leaves it."""
    side = int(1.2 * SIZE)
    pose = walking(draws.uniform(0, 2), draws.uniform(0.7, 1.1), lift=draws.uniform(0, 0.5))
    color, coverage = paint(figure, pose, side / 2, 0.96 * side, 0.9 * side, (side, side))
    return prepare_reference(_bytes(color), _bytes(coverage))


def _scene(draws: Draws) -> Tensor:
    """A part of one of the worlds, [SIZE, SIZE, 3]."""
    world = _world(int(draws.integers(0, WORLDS)))
    top, left = (int(draws.integers(0, side - SIZE)) for side in world.shape[:2])
    return world[top : top + SIZE, left : left + SIZE]


@cache
def _world(number: int) -> Tensor:
    draws = Draws(number)
    size = (SIZE, SIZE)
    ground = draw_ground(draws, size)
    world = over(ground, *draw_front(draws, size))
    return world[SIZE // 2 : -SIZE // 2, SIZE // 2 : -SIZE // 2]


def _bytes(picture: Tensor) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = (picture * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return made
