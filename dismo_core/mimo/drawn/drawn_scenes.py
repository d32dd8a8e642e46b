"""Drawn scenes: a figure walks behind something, and the same scene with another figure in its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...synthetic.draws import Draws
from ...synthetic.noise import colored_noise
from .figure import MANNEQUIN, Figure, Pose, draw_figure, paint, walking

CAMERAS = ("static", "pan", "shake")
Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class DrawnScene:
    """What a template needs, and the truth.

    Args:
        camera: one of `CAMERAS`.
        vid: uint8 [F, H, W, 3], the figure in the scene.
        bk: likewise, the scene without it.
        sdc: likewise, its body on black.
        mask: uint8 [F, H, W], what is seen of the figure.
        occ: likewise, what stands in front.
        whole: likewise, the figure with what is hidden.
        other: likewise, the other figure with what is hidden.
        character: uint8 [F, h, w, 3], another figure doing the same.
        alpha: uint8 [F, h, w] of that.
        truth: uint8 [F, H, W, 3], the other figure in the scene.
        area: uint8 [F, H, W], where truth and `vid` show a figure.
        fps: frames per second.
    """

    camera: str
    vid: Frames
    bk: Frames
    sdc: Frames
    mask: Frames
    occ: Frames
    whole: Frames
    other: Frames
    character: Frames
    alpha: Frames
    truth: Frames
    area: Frames
    fps: float = 30.0


@dataclass(frozen=True)
class _Walk:
    """A figure's way: at each frame hip, ground and height in px, and the pose."""

    x: list[float]
    foot: list[float]
    height: list[float]
    poses: list[Pose]


def draw_scene(
    seed: int,
    *,
    camera: str | None = None,
    frames: int = 24,
    size: tuple[int, int] = (240, 160),
) -> DrawnScene:
    """A scene with two figures, one in the place of the other.

    Args:
        seed: of all that is drawn.
        camera: one of `CAMERAS`; None = by the seed.
        frames: drawn.
        size: (width, height), px.
    """
    rng = Draws(seed)
    camera = camera or CAMERAS[seed % len(CAMERAS)]
    width, height = size
    path = _camera(camera, frames, rng)
    person, other = draw_figure(rng), draw_figure(rng)
    walk = _walk(frames, size, rng, path)
    ground = draw_ground(rng, size)
    front, weight = draw_front(rng, size)
    scale = rng.uniform(1.2, 1.8)  # of the other figure's own video
    tall = 0.8 * height * scale
    canvas = (int(1.1 * tall), int(1.15 * tall))
    parts: dict[str, list[Frames]] = {
        name: [] for name in DrawnScene.__dataclass_fields__ if name not in ("camera", "fps")
    }
    for number in range(frames):
        dx, dy = path[number]
        scene = _seen(ground, dx, dy, size)
        color, occluder = _seen(front, dx, dy, size), _seen(weight[..., None], dx, dy, size)[..., 0]
        where = (walk.x[number], walk.foot[number], walk.height[number])
        layers = [paint(who, walk.poses[number], *where, size) for who in (person, other)]
        shown = [over(over(scene, *layer), color, occluder) for layer in layers]
        own = paint(other, walk.poses[number], canvas[0] / 2, 0.97 * canvas[1], 0.9 * canvas[1], canvas)
        whole = layers[0][1]
        made = {
            "vid": shown[0],
            "truth": shown[1],
            "bk": over(scene, color, occluder),
            "sdc": _body(person, walk, number, size),
            "mask": whole * (1 - occluder),
            "occ": occluder,
            "whole": whole,
            "other": layers[1][1],
            "character": own[0],
            "alpha": own[1],
            "area": torch.maximum(layers[0][1], layers[1][1]),
        }
        for name, picture in made.items():
            parts[name].append((picture * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    stacked: dict[str, Any] = {name: np.stack(pictures) for name, pictures in parts.items()}
    return DrawnScene(camera, **stacked)


def _body(person: Figure, walk: _Walk, number: int, size: tuple[int, int]) -> Tensor:
    """The person's own outline in the colors of the body render, on black."""
    body = Figure(MANNEQUIN.colors, person.legs, person.arms, person.torso, person.head)
    color, coverage = paint(body, walk.poses[number], walk.x[number], walk.foot[number], walk.height[number], size)
    return color * coverage[..., None]


def _camera(camera: str, frames: int, rng: Draws) -> list[tuple[float, float]]:
    """How far the camera is, right and down, px."""
    if camera == "static":
        return [(0.0, 0.0)] * frames
    if camera == "pan":
        dx, dy = rng.uniform(0.6, 1.6) * (1 if rng.uniform(0, 1) < 0.5 else -1), rng.uniform(-0.15, 0.15)
        return [(dx * number, dy * number) for number in range(frames)]
    rates = [rng.uniform(0.35, 0.9) for _ in range(4)]
    return [
        (
            1.6 * math.sin(rates[0] * n) + 0.8 * math.sin(2.3 * rates[1] * n),
            1.2 * math.sin(rates[2] * n) + 0.6 * math.cos(1.9 * rates[3] * n) - 0.6,
        )
        for n in range(frames)
    ]


def _walk(frames: int, size: tuple[int, int], rng: Draws, path: list[tuple[float, float]]) -> _Walk:
    """Across the picture, nearer or farther by a little."""
    width, height = size
    begin, end = rng.uniform(0.22, 0.32) * width, rng.uniform(0.68, 0.78) * width
    if rng.uniform(0, 1) < 0.5:
        begin, end = end, begin
    tall, grows = rng.uniform(0.55, 0.68) * height, rng.uniform(-0.12, 0.12)
    ground = rng.uniform(0.88, 0.94) * height
    cycle, lift = rng.uniform(0.7, 1.1), rng.uniform(0, 0.5)
    at = [number / max(1, frames - 1) for number in range(frames)]
    heights = [tall * (1 + grows * (t - 0.5)) for t in at]
    return _Walk(
        [begin + (end - begin) * t - dx + path[frames // 2][0] for t, (dx, _) in zip(at, path, strict=True)],
        [ground + 0.3 * (h - tall) - dy for h, (_, dy) in zip(heights, path, strict=True)],
        heights,
        [walking(number / 30, cycle, lift=lift) for number in range(frames)],
    )


_MARGIN = 64  # px of the world around the picture, into which the camera looks


def draw_ground(rng: Draws, size: tuple[int, int]) -> Tensor:
    """A textured world [H', W', 3], 0..1: a wall above, a floor below."""
    side = max(size) + 2 * _MARGIN
    white = torch.complex(rng.randn(6, side, side // 2 + 1), rng.randn(6, side, side // 2 + 1))
    # no detail finer than 4 px, so that it can be sampled between pixels
    noise = colored_noise(white, lambda f: f.clamp_min(2) ** -1.2 * torch.exp(-((f / (side / 8)) ** 4)))
    noise = noise / noise.std(dim=(-2, -1), keepdim=True)
    # mostly light and dark, a little color
    noise = 0.35 * noise + 0.94 * noise[[0, 0, 0, 3, 3, 3]]
    tones = rng.rand(2, 3) * 0.5 + 0.25
    horizon = _MARGIN + rng.uniform(0.55, 0.7) * size[1]
    rows = torch.arange(side, dtype=torch.float32)
    below = torch.sigmoid((rows - horizon) / 1.5)[None, :, None]
    wall, floor = (tones[i][:, None, None] + 0.09 * noise[3 * i : 3 * i + 3] for i in (0, 1))
    return (wall * (1 - below) + floor * below).permute(1, 2, 0).clamp(0, 1)


def draw_front(rng: Draws, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What stands in front: colors [H', W', 3] and weight [H', W'], 0..1, with soft edges; a post and a bush."""
    side = max(size) + 2 * _MARGIN
    rows, columns = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    post = _MARGIN + rng.uniform(0.38, 0.5) * size[0]
    wide, soft = rng.uniform(0.02, 0.035) * size[0], rng.uniform(0.8, 2.0)
    weight = torch.sigmoid((wide - (columns - post).abs()) / soft)
    bush = (_MARGIN + rng.uniform(0.55, 0.7) * size[0], _MARGIN + rng.uniform(0.9, 1.0) * size[1])
    radius = rng.uniform(0.1, 0.16) * size[1]
    round_ = torch.sigmoid((radius - torch.hypot(columns - bush[0], (rows - bush[1]) * 0.8)) / soft)
    colors = rng.rand(2, 3) * 0.6 + 0.1
    color = colors[0] * (1 - round_[..., None]) + colors[1] * round_[..., None]
    shade = 1 + 0.15 * torch.sin(rows / 5)[..., None] * torch.cos(columns / 4)[..., None]
    return (color * shade).clamp(0, 1), torch.maximum(weight, round_)


def _seen(world: Tensor, dx: float, dy: float, size: tuple[int, int]) -> Tensor:
    """The part of [H', W', C] that the camera sees, [H, W, C]; bicubic between pixels."""
    width, height = size
    y = torch.arange(height) + 0.5 + _MARGIN + dy
    x = torch.arange(width) + 0.5 + _MARGIN + dx
    grid = torch.stack(torch.meshgrid(2 * y / world.shape[0] - 1, 2 * x / world.shape[1] - 1, indexing="ij")[::-1], -1)
    seen = F.grid_sample(
        world.permute(2, 0, 1)[None], grid[None], mode="bicubic", padding_mode="border", align_corners=False
    )
    return seen[0].permute(1, 2, 0).clamp(0, 1)


def over(scene: Tensor, color: Tensor, weight: Tensor) -> Tensor:
    return color * weight[..., None] + scene * (1 - weight[..., None])
