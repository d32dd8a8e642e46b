"""A figure of capsules with a head, in a pose of two phases, drawn with soft edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...synthetic.draws import Draws

PARTS = ("leg_far", "arm_far", "leg_near", "torso", "arm_near", "head")  # in the order of drawing
BODY = {  # colors of the body render, red, green, blue, 0..1
    "leg_far": (0.15, 0.35, 0.75),
    "arm_far": (0.20, 0.60, 0.35),
    "leg_near": (0.30, 0.55, 0.95),
    "torso": (0.90, 0.55, 0.25),
    "arm_near": (0.45, 0.85, 0.50),
    "head": (0.95, 0.85, 0.40),
}
_HIP, _SHOULDER, _HEAD = 0.48, 0.80, 0.885  # heights above the ground, in heights of the figure


@dataclass(frozen=True)
class Figure:
    """How a figure looks; lengths in its height.

    Args:
        colors: red, green, blue, 0..1, of each of `PARTS`.
        legs: radius of the legs.
        arms: radius of the arms.
        torso: radius of the torso.
        head: radius of the head.
        stripe: width of the stripes of the torso; 0 = plain.
    """

    colors: dict[str, tuple[float, float, float]]
    legs: float = 0.045
    arms: float = 0.035
    torso: float = 0.095
    head: float = 0.1
    stripe: float = 0.0


# What a body render shows: the same for every figure.
MANNEQUIN = Figure(BODY)


@dataclass(frozen=True)
class Pose:
    """Where the limbs are.

    Args:
        stride: angle of the legs from the vertical, radians; the far one has the opposite.
        swing: angle of the arms, likewise.
        lift: angle by which both arms are raised to the side, radians.
    """

    stride: float
    swing: float
    lift: float = 0.0


def draw_figure(rng: Draws) -> Figure:
    """A figure with colors and widths of its own."""

    def color() -> tuple[float, float, float]:
        red, green, blue = (rng.uniform(0.05, 0.95) for _ in range(3))
        return red, green, blue

    trousers, shirt, skin = color(), color(), (rng.uniform(0.45, 0.9), rng.uniform(0.35, 0.7), rng.uniform(0.25, 0.55))
    dark = 0.8
    colors = {
        "leg_far": (trousers[0] * dark, trousers[1] * dark, trousers[2] * dark),
        "arm_far": (shirt[0] * dark, shirt[1] * dark, shirt[2] * dark),
        "leg_near": trousers,
        "torso": shirt,
        "arm_near": (shirt[0] * 0.9, shirt[1] * 0.9, shirt[2] * 0.9),
        "head": skin,
    }
    return Figure(
        colors,
        legs=rng.uniform(0.035, 0.06),
        arms=rng.uniform(0.028, 0.045),
        torso=rng.uniform(0.075, 0.12),
        head=rng.uniform(0.085, 0.115),
        stripe=rng.uniform(0.03, 0.06) if rng.uniform(0, 1) < 0.5 else 0.0,
    )


def walking(time: float, cycle: float, stride: float = 0.45, lift: float = 0.0) -> Pose:
    """A pose of a walk: `time` and `cycle`, one whole double step, in seconds."""
    phase = math.sin(2 * math.pi * time / cycle)
    return Pose(stride * phase, -0.8 * stride * phase, lift)


def paint(
    figure: Figure,
    pose: Pose,
    x: float,
    foot: float,
    height: float,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Colors and coverage of a figure.

    Head and feet reach exactly from `foot - height` to `foot`.

    Args:
        figure: how it looks.
        pose: of the limbs.
        x: of the hip, px from the left.
        foot: the ground, px from above.
        height: px.
        size: (width, height) of the picture, px.

    Returns:
        float [H, W, 3], 0..1, and float [H, W], 0..1.
    """
    rows, columns = torch.meshgrid(torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5, indexing="ij")
    # in heights of the figure, right and up from the point between the feet
    px, py = (columns - x) / height, (foot - rows) / height
    color, coverage = torch.zeros(size[1], size[0], 3), torch.zeros(size[1], size[0])
    for part, (start, end, radius) in _capsules(figure, pose).items():
        inside = (0.5 - (_distance(px, py, start, end) - radius) * height).clamp(0, 1)
        paint = torch.tensor(figure.colors[part]).expand(size[1], size[0], 3)
        if part == "torso" and figure.stripe:
            light = 0.5 + 0.5 * torch.sin(math.pi * py / figure.stripe)
            paint = paint * (0.65 + 0.35 * light[..., None])
        color = paint * inside[..., None] + color * (1 - inside[..., None])
        coverage = inside + coverage * (1 - inside)
    return color / coverage.clamp_min(1e-4)[..., None], coverage


def _capsules(figure: Figure, pose: Pose) -> dict[str, tuple[tuple[float, float], tuple[float, float], float]]:
    """(start, end, radius) of each part; the feet stand on the ground whatever the stride, the head ends at 1."""
    reach = math.tan(pose.stride) * (_HIP - figure.legs)
    arm = 0.34

    def hand(angle: float) -> tuple[float, float]:
        return arm * math.sin(angle), _SHOULDER - arm * math.cos(angle)

    return {
        "leg_far": ((0, _HIP), (-reach, figure.legs), figure.legs),
        "arm_far": ((0, _SHOULDER - 0.02), hand(-pose.swing - pose.lift), figure.arms),
        "leg_near": ((0, _HIP), (reach, figure.legs), figure.legs),
        "torso": ((0, _HIP), (0, _SHOULDER - 0.06), figure.torso),
        "arm_near": ((0, _SHOULDER - 0.02), hand(pose.swing + pose.lift), figure.arms),
        "head": ((0, 1 - figure.head), (0, 1 - figure.head), figure.head),
    }


def _distance(px: Tensor, py: Tensor, start: tuple[float, float], end: tuple[float, float]) -> Tensor:
    """From points to a line segment."""
    ax, ay = px - start[0], py - start[1]
    bx, by = end[0] - start[0], end[1] - start[1]
    along = ((ax * bx + ay * by) / max(bx * bx + by * by, 1e-9)).clamp(0, 1)
    return torch.hypot(ax - along * bx, ay - along * by)
