"""What is seen in a clip of one plain object on a plain ground: colors, shape, way, growth, turn, and the word for the move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.captioned import COLORS, GROUNDS, SHAPES, polygon_outline
from ..synthetic.captioned_moves import ALL_MOVES, HEADINGS

LEAST_CONTRAST = 0.25  # distance of two colors, 0..1 each channel, from which on one is an object on the other
SMALLEST, LARGEST = 40, 1300  # px of 64 x 64, of an object
WIDEST = 0.30  # mean squared distance from the middle over the area; above it is no single object (a bar has 0.24)
FAST = 21.4  # px of 64, a straight way in the middle between the longest slow one and the shortest fast one
TURNS = 6  # tried of each shape, within its symmetry
SYMMETRY = {"disc": 0, "square": 4, "triangle": 3, "bar": 2}  # after so many parts of a full turn it looks the same


@dataclass(frozen=True)
class SeenObjects:
    """B clips of N frames.

    Args:
        found: [B, N], whether there is one object.
        place: [B, N, 2], its middle, px from that of the picture; NaN where none is found.
        area: [B, N], px.
        color: [B, N], the nearest of `COLORS`.
        ground: [B, N], the nearest of `GROUNDS`.
        shape: [B], the likest of `SHAPES` in most frames.
        turn: [B, N], radians clockwise from the first frame on, as its outline shows it; 0 for a disc.
    """

    found: Tensor
    place: Tensor
    area: Tensor
    color: Tensor
    ground: Tensor
    shape: Tensor
    turn: Tensor

    def main_color(self) -> Tensor:
        """Of most frames in which there is an object, [B]; -1 where there is none."""
        return _most(self.color, self.found, len(COLORS))

    def main_ground(self) -> Tensor:
        """Of most frames, [B]."""
        return _most(self.ground, torch.ones_like(self.found), len(GROUNDS))

    def steady(self) -> Tensor:
        """Whether it is there, in one color, in nine of ten frames, [B]."""
        same = self.found & (self.color == self.main_color()[:, None])
        most: Tensor = same.float().mean(dim=1) >= 0.9
        return most

    def speed(self) -> Tensor:
        """Mean distance from frame to frame, px, [B]; NaN where it is not there throughout."""
        speed: Tensor = (self.place[:, 1:] - self.place[:, :-1]).norm(dim=-1).mean(dim=1)
        return speed

    def smooth(self, draws: torch.Generator, orders: int = 8) -> Tensor:
        """Whether its mean jerk is below half of that of the same places in random orders, [B]; still ones are."""

        def jerk(place: Tensor) -> Tensor:
            change: Tensor = (place[:, 2:] - 2 * place[:, 1:-1] + place[:, :-2]).norm(dim=-1)
            return change.mean(dim=1)

        frames = self.place.shape[1]
        mixed = [jerk(self.place[:, torch.randperm(frames, generator=draws)]) for _ in range(orders)]
        return (jerk(self.place) < 0.5 * torch.stack(mixed).mean(dim=0)) | (self.speed() < 0.3)


def see_objects(frames: Tensor) -> SeenObjects:
    """Look at clips [B, N, 64, 64, 3] in -1..1."""
    picture = (frames.float() + 1) / 2
    clips, times, side = picture.shape[:3]
    border = torch.cat((picture[:, :, 0], picture[:, :, -1], picture[:, :, 1:-1, 0], picture[:, :, 1:-1, -1]), dim=2)
    ground = border.median(dim=2).values
    distance = (picture - ground[:, :, None, None]).norm(dim=-1)
    most = distance.flatten(2).quantile(0.99, dim=-1)
    mask = (distance > 0.5 * most[..., None, None]).float()
    area = mask.sum(dim=(-1, -2))
    axis = torch.arange(side) + 0.5 - side / 2
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)  # [h, w, (x, y)]
    place = torch.einsum("bnhw,hwc->bnc", mask, grid) / area[..., None].clamp_min(1)
    local = grid - place[:, :, None, None]
    spread = (mask * local.square().sum(dim=-1)).sum(dim=(-1, -2)) / area.clamp_min(1).square()
    found = (most > LEAST_CONTRAST) & (area > SMALLEST) & (area < LARGEST) & (spread < WIDEST)
    inside = mask * (distance > 0.8 * most[..., None, None])
    skin = (picture * inside[..., None]).sum(dim=(2, 3)) / inside.sum(dim=(2, 3))[..., None].clamp_min(1)
    shape = _likest_shape(mask, local, area, found)
    return SeenObjects(
        found,
        torch.where(found[..., None], place, torch.nan),
        area,
        _nearest(skin, COLORS),
        _nearest(ground, GROUNDS),
        shape,
        _turn(mask, local, shape),
    )


def name_moves(seen: SeenObjects, ways: Mapping[str, float] = HEADINGS) -> Tensor:
    """The likest of `MOVES`, or of straight moves in more ways, of each clip.

    Args:
        seen: see `see_objects`.
        ways: name -> heading in degrees, of which the nearest is named for a straight move.

    Returns:
        [B], places in `ALL_MOVES`; -1 where the object is not there in nine of ten frames.
    """
    return torch.tensor([_name(seen, clip, ways) for clip in range(len(seen.shape))])


def name_paces(seen: SeenObjects) -> list[str]:
    """Of each clip which of `PACES` its way from first to last frame has, were it straight."""
    way = (seen.place[:, -1] - seen.place[:, 0]).norm(dim=-1)
    return ["fast" if far else "slowly" for far in (way > FAST).tolist()]


def _name(seen: SeenObjects, clip: int, ways: Mapping[str, float]) -> int:
    found = seen.found[clip]
    if found.float().mean() < 0.9:
        return -1
    place, area, turn = seen.place[clip][found], seen.area[clip][found], seen.turn[clip][found]
    names = list(ALL_MOVES)
    net = place[-1] - place[0]
    span = place.amax(dim=0) - place.amin(dim=0)
    growth = 0.5 * (area[-3:].mean() / area[:3].mean()).log()
    if span.max() < 6:
        if growth.abs() > 0.3:
            return names.index("growing" if growth > 0 else "shrinking")
        if turn[-1].abs() > 0.6:
            return names.index("turning clockwise" if turn[-1] > 0 else "turning counterclockwise")
        return names.index("standing still")
    length = (place[1:] - place[:-1]).norm(dim=-1).sum()
    if net.norm() > 0.85 * length:
        heading = math.atan2(net[1], net[0])
        return names.index(f"moving {max(ways, key=lambda way: math.cos(heading - math.radians(ways[way])))}")
    around = place - (place.amax(dim=0) + place.amin(dim=0)) / 2
    angle = torch.atan2(around[:, 1], around[:, 0])
    steps = torch.remainder(angle[1:] - angle[:-1] + math.pi, 2 * math.pi) - math.pi
    if steps.sum().abs() > math.pi and span.min() > 0.5 * span.max():
        return names.index("circling clockwise" if steps.sum() > 0 else "circling counterclockwise")
    if span[1] < 0.3 * span[0]:
        return names.index("swinging")
    if net[0].abs() > 0.85 * span[0]:
        return names.index("zigzagging" if span[0] > 0.6 * span[1] else "bouncing")
    return names.index("bouncing")


def _most(values: Tensor, counted: Tensor, kinds: int) -> Tensor:
    votes = torch.stack([((values == kind) & counted).sum(dim=1) for kind in range(kinds)], dim=1)
    return torch.where(votes.sum(dim=1) > 0, votes.argmax(dim=1), -1)


def _nearest(colors: Tensor, table: dict[str, tuple[float, float, float]]) -> Tensor:
    distance: Tensor = (colors[..., None, :] - torch.tensor(list(table.values()))).norm(dim=-1)
    return distance.argmin(dim=-1)


def _likest_shape(mask: Tensor, local: Tensor, area: Tensor, found: Tensor) -> Tensor:
    """By overlap with each shape of the same area, upright or turned, about the same middle; in some of the frames."""
    mask, local, area, found = (x[:, :: max(1, mask.shape[1] // 4)] for x in (mask, local, area, found))
    side = torch.linspace(-1.3, 1.3, 131)
    fine = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)[None, None]
    scores = []
    for number, name in enumerate(SHAPES):
        unit = _covered(number, fine, torch.full((1, 1), 50.0)).mean() * 2.6**2  # area at radius 1
        radius = (area / unit).sqrt().clamp_min(1)
        best = torch.zeros_like(area)
        for k in range(1 if name == "disc" else TURNS):
            angle = torch.tensor(2 * math.pi / SYMMETRY[name] * k / TURNS if k else 0.0)
            turned = local @ torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos())).view(2, 2)
            cover = _covered(number, turned / radius[..., None, None, None], radius)
            overlap = torch.minimum(mask, cover).sum(dim=(-1, -2)) / torch.maximum(mask, cover).sum(dim=(-1, -2))
            best = torch.maximum(best, overlap)
        scores.append((best * found).sum(dim=1))
    return torch.stack(scores, dim=1).argmax(dim=1)


def _covered(number: int, points: Tensor, radius: Tensor) -> Tensor:
    """Coverage [B, N, h, w] by one of the `SHAPES`, at points in radii."""
    return polygon_outline(torch.full((len(points),), number))(points, radius)


def _turn(mask: Tensor, local: Tensor, shape: Tensor) -> Tensor:
    """From the phase of the outline's moment of the shape's symmetry, followed from frame to frame."""
    order = torch.tensor([SYMMETRY[name] for name in SHAPES])[shape]
    angle = torch.atan2(local[..., 1], local[..., 0])
    distance = local.norm(dim=-1)
    n = order[:, None, None, None]
    weight = mask * distance ** n.clamp_min(1)
    phase = torch.atan2((weight * (n * angle).sin()).sum(dim=(-1, -2)), (weight * (n * angle).cos()).sum(dim=(-1, -2)))
    steps = torch.remainder(phase[:, 1:] - phase[:, :-1] + math.pi, 2 * math.pi) - math.pi
    turned = torch.cat((torch.zeros_like(phase[:, :1]), steps.cumsum(dim=1)), dim=1) / order[:, None].clamp_min(1)
    return torch.where(order[:, None] > 0, turned, 0.0)
