"""Moves that a word names: where an object goes, how it grows and turns, over the frames of a clip."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .draws import Draws
from .renderer import Trajectory

# Words of a caption -> how often, relative to the others. The bundled text-to-video base knows these.
MOVES = {
    "moving left": 2.0,
    "moving right": 2.0,
    "moving up": 2.0,
    "moving down": 2.0,
    "bouncing": 3.0,
    "circling clockwise": 1.5,
    "circling counterclockwise": 1.5,
    "swinging": 2.0,
    "zigzagging": 2.0,
    "growing": 2.0,
    "shrinking": 2.0,
    "turning clockwise": 1.5,
    "turning counterclockwise": 1.5,
    "standing still": 1.0,
}
HEADINGS = {"left": 180.0, "right": 0.0, "up": 270.0, "down": 90.0}  # degrees, y is down
SLANTED = {"up left": 225.0, "up right": 315.0, "down left": 135.0, "down right": 45.0}
WAYS = HEADINGS | SLANTED
# How long a straight way is, from least to most, in rooms; see `draw_moves`.
PACES = {"slowly": (0.6, 0.9), "fast": (1.5, 2.0)}
ANY_PACE = (1.0, 2.0)
# What a base may be taught beyond its words.
FURTHER_MOVES = {f"moving {way}": 1.0 for way in SLANTED} | {
    f"moving {way} {pace}": 1.0 for way in WAYS for pace in PACES
}
ALL_MOVES = MOVES | FURTHER_MOVES


def draw_moves(
    room: Tensor, frames: int, draws: Draws, moves: Mapping[str, float] = MOVES, spread: float = 1.0
) -> tuple[Tensor, Trajectory]:
    """A random move for each of B clips, somewhere in the picture.

    Args:
        room: [B], px, how far from the middle of the picture an object of scale 1 may be to each side.
        frames: N, 2 or more.
        draws: source of chance.
        moves: some of `ALL_MOVES` -> how often, relative to the others.
        spread: 1 = anywhere the whole path fits, 0 = in the middle of where it fits.

    Returns:
        Which of `ALL_MOVES`, [B], and where the object is: px from the middle of the picture at rest.
    """
    clips = len(room)
    wanted = [name for name in ALL_MOVES if name in moves]
    numbers = torch.tensor([tuple(ALL_MOVES).index(name) for name in wanted], device=draws.device)
    move = numbers[draws.choices(torch.tensor([moves[name] for name in wanted]), clips)]
    shape = (clips, frames)
    place = torch.zeros(*shape, 2, device=draws.device)
    log_scale = torch.zeros(shape, device=draws.device)
    angle = torch.zeros(shape, device=draws.device)
    t = torch.linspace(0, 1, frames, device=draws.device)[None].expand(shape)
    for number, name in zip(numbers, wanted, strict=True):
        # Drawn for all clips, so that what one of them gets does not hang on the others.
        path, growth, turn = _move(name, room[:, None], t, draws)
        chosen = (move == number)[:, None]
        place = torch.where(chosen[..., None], path, place)
        log_scale, angle = torch.where(chosen, growth, log_scale), torch.where(chosen, turn, angle)
    # Where the whole path fits.
    slack = (room[:, None] / log_scale.amax(dim=1, keepdim=True).exp())[..., None]
    low, high = -slack - place.amin(dim=1, keepdim=True), slack - place.amax(dim=1, keepdim=True)
    place = place + torch.lerp(low, high.maximum(low), spread * draws.rand(clips, 1, 2) + (1 - spread) / 2)
    return move, Trajectory(place, log_scale, angle)


def _move(name: str, room: Tensor, t: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Path [B, N, 2], growth [B, N] and turn [B, N] of the move of that name, at times t, 0..1."""
    none = torch.zeros_like(t)
    clips = len(t)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * draws.rand(clips, 1)

    def sign() -> Tensor:
        return torch.where(draws.rand(clips, 1) < 0.5, -1.0, 1.0)

    def moved(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.stack((x, y), dim=-1), none, none

    verb, _, where = name.partition(" ")
    sense = -1.0 if where == "counterclockwise" else 1.0  # y is down, so growing angles go clockwise
    if verb == "moving":
        pace = where.rpartition(" ")[2]
        way = between(*PACES.get(pace, ANY_PACE)) * room * t ** between(0.7, 1.4)
        heading = math.radians(WAYS[where.removesuffix(f" {pace}") if pace in PACES else where]) + between(-0.3, 0.3)
        return moved(way * heading.cos(), way * heading.sin())
    if verb == "bouncing":
        height = between(0.6, 1.0) * 1.5 * room
        bounces = (math.pi * (between(1.0, 2.0) * t + draws.rand(clips, 1))).sin().abs()
        return moved(between(-0.3, 0.3) * room * t, -height * bounces)
    if verb == "circling":
        around = 2 * math.pi * (sense * between(0.7, 1.2) * t + draws.rand(clips, 1))
        radius = between(0.5, 0.95) * room
        return moved(radius * around.cos(), radius * around.sin())
    if verb == "swinging":
        phase = 2 * math.pi * (between(0.7, 1.2) * t + draws.rand(clips, 1))
        return moved(between(0.6, 1.0) * room * phase.sin(), none)
    if verb == "zigzagging":
        waves = (2 * ((between(1.5, 2.5) * t + draws.rand(clips, 1)) % 1) - 1).abs()
        return moved(sign() * between(1.2, 2.0) * room * t, between(0.7, 1.1) * room * waves)
    if verb in ("growing", "shrinking"):
        span = between(0.5, 0.9) * (t - 0.5)
        return none[..., None].expand(-1, -1, 2), span if verb == "growing" else -span, none
    if verb == "turning":
        return none[..., None].expand(-1, -1, 2), none, sense * between(1.2, 3.0) * t
    return none[..., None].expand(-1, -1, 2), none, none
