"""Clips with captions: one plain object on a plain ground, of which a caption says color, shape, ground and motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .captioned_moves import ALL_MOVES, MOVES, draw_moves
from .draws import Draws
from .renderer import DrawnObject, Outline, Screen, Texture, Trajectory, render

COLORS = {
    "red": (0.88, 0.10, 0.12),
    "green": (0.10, 0.62, 0.18),
    "blue": (0.16, 0.36, 0.95),
    "yellow": (0.97, 0.86, 0.12),
    "pink": (0.95, 0.40, 0.72),
    "cyan": (0.15, 0.80, 0.88),
}
GROUNDS = {
    "white": (0.97, 0.97, 0.97),
    "black": (0.03, 0.03, 0.03),
    "navy": (0.07, 0.09, 0.30),
    "brown": (0.38, 0.22, 0.10),
}
SHAPES = ("disc", "square", "triangle", "bar")
TURNABLE = SHAPES[1:]  # whose turn shows
SIZE = 64  # px, both sides
REACH = 1.25  # radii; no outline goes further
JITTER = 0.03  # of each channel of a color, to both sides
# Half-planes x cos + y sin <= distance, in radii: (angle in degrees, distance) of each side.
_SIDES = {
    "square": ((0, 0.84), (90, 0.84), (180, 0.84), (270, 0.84)),
    "triangle": ((90, 0.58), (210, 0.58), (330, 0.58), (330, 0.58)),
    "bar": ((0, 1.15), (90, 0.48), (180, 1.15), (270, 0.48)),
}


@dataclass(frozen=True)
class CaptionedClips:
    """B clips of N frames and what is true of them.

    Args:
        color: [B], place in `COLORS`.
        ground: [B], place in `GROUNDS`.
        shape: [B], place in `SHAPES`.
        move: [B], place in `ALL_MOVES`, which begin as `MOVES` do.
        skin: [B, 3], the object's color as drawn, 0..1.
        surface: [B, 3], the ground's color as drawn, 0..1.
        radius: [B], px of a picture of 64, at scale 1.
        trajectory: of the object, N times.
    """

    color: Tensor
    ground: Tensor
    shape: Tensor
    move: Tensor
    skin: Tensor
    surface: Tensor
    radius: Tensor
    trajectory: Trajectory

    def captions(self, with_move: Tensor | bool = True) -> list[str]:
        """One caption a clip, as "a red disc moving left on white"; without its motion where `with_move` ([B] or one) is false."""
        told = torch.as_tensor(with_move).expand(len(self.color)).tolist()
        colors, shapes, grounds, moves = tuple(COLORS), SHAPES, tuple(GROUNDS), tuple(ALL_MOVES)
        rows = zip(
            self.color.tolist(), self.shape.tolist(), self.ground.tolist(), self.move.tolist(), told, strict=True
        )
        return [
            " ".join(("a", colors[c], shapes[s], *((moves[m],) if told else ()), "on", grounds[g]))
            for c, s, g, m, told in rows
        ]

    def some(self, which: slice | Tensor) -> CaptionedClips:
        """Some of the clips: a slice, or their numbers."""
        parts = {field.name: getattr(self, field.name)[which] for field in fields(self) if field.name != "trajectory"}
        way = self.trajectory
        return CaptionedClips(**parts, trajectory=Trajectory(way.place[which], way.log_scale[which], way.angle[which]))

    def moving_as(self, clip: CaptionedClips) -> CaptionedClips:
        """The same appearances on the way of one clip, at its size, so that they stay in the picture as it does."""
        which = torch.zeros(len(self.color), dtype=torch.long)
        other = clip.some(which)
        return replace(self, move=other.move, radius=other.radius, trajectory=other.trajectory)

    def between(self, first: int, last: int) -> CaptionedClips:
        """The same clips from frame `first` up to, and without, frame `last`."""
        way, times = self.trajectory, slice(first, last)
        return replace(self, trajectory=Trajectory(way.place[:, times], way.log_scale[:, times], way.angle[:, times]))

    def rendered(self, size: int = SIZE, samples: int = 1) -> Tensor:
        """Frames [B, N, size, size, 3] in -1..1; an outline is one sample soft.

        Args:
            size: side, pixels; the scene is the same.
            samples: per pixel and axis.
        """
        image, _ = self._drawn(size, samples)
        return (image * 2 - 1).movedim(1, -1)

    def coverage(self, size: int = SIZE) -> Tensor:
        """How much of each pixel the object covers, [B, N, size, size], 0..1."""
        return self._drawn(size, 1)[1]

    def _drawn(self, size: int, samples: int) -> tuple[Tensor, Tensor]:
        density = size / SIZE
        drawn = DrawnObject(
            polygon_outline(self.shape, density * samples),
            Texture(self.skin[..., None, None]),
            self.radius,
            reach=REACH,
        )
        none = torch.zeros_like(self.radius)[:, None]
        camera = Trajectory(torch.stack((none, none), dim=-1), none, none)
        ground = Texture(self.surface[..., None, None])
        image, covered = render(ground, [(drawn, self.trajectory)], Screen(size, samples, density=density), camera)
        return image, covered[0]


def draw_captioned(
    clips: int, draws: Draws, frames: int = 16, moves: Mapping[str, float] = MOVES, spread: float = 1.0
) -> CaptionedClips:
    """Clips of random looks and moves; the object stays in the picture.

    Args:
        clips: B.
        draws: source of chance.
        frames: N, 2 or more.
        moves: see `draw_moves`.
        spread: likewise.
    """
    color = draws.integers(0, len(COLORS), clips)
    ground = draws.integers(0, len(GROUNDS), clips)
    shape = draws.integers(0, len(SHAPES), clips)
    radius = 8.0 + 4.0 * draws.rand(clips)
    move, way = draw_moves(SIZE / 2 - 1 - REACH * radius, frames, draws, moves, spread)
    turns = torch.tensor([name.startswith("turning") for name in ALL_MOVES], device=draws.device)[move]
    turnable = 1 + draws.integers(0, len(TURNABLE), clips)
    shape = torch.where(turns & (shape == 0), turnable, shape)

    def near(table: dict[str, tuple[float, float, float]], index: Tensor) -> Tensor:
        exact = torch.tensor(list(table.values()), device=draws.device)[index]
        return (exact + JITTER * (2 * draws.rand(clips, 3) - 1)).clamp(0, 1)

    return CaptionedClips(color, ground, shape, move, near(COLORS, color), near(GROUNDS, ground), radius, way)


def polygon_outline(shape: Tensor, density: float = 1.0) -> Outline:
    """Outlines of the `SHAPES`, about as large as a disc of radius 1; covered is what lies a distance inside.

    Args:
        shape: [B], place in `SHAPES`.
        density: samples per px of the scene, on which the outline is one sample soft.
    """
    table = torch.tensor([_SIDES[name] for name in TURNABLE], device=shape.device)
    sides = table[(shape - 1).clamp_min(0)]  # [B, 4, 2]
    angle, distance = sides[..., 0].deg2rad(), sides[..., 1]
    normal = torch.stack((angle.cos(), angle.sin()), dim=-1)
    is_round = (shape == 0)[:, None, None, None]

    def coverage(local: Tensor, radius: Tensor) -> Tensor:
        beyond = torch.einsum("bnhwc,bkc->bnhwk", local, normal) - distance[:, None, None, None]
        outside = torch.where(is_round, local.norm(dim=-1) - 1, beyond.amax(dim=-1))
        covered: Tensor = (0.5 - outside * radius[..., None, None] * density).clamp(0, 1)
        return covered

    return coverage
