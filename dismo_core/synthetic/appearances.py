"""Appearances of the training clips: textures, outlines and sizes of up to two objects over a ground, and how they are rendered."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .draws import Draws
from .outlines import HARMONICS, wavy_outline
from .renderer import DrawnObject, Screen, Texture, render
from .trajectories import Trajectories, positions


@dataclass(frozen=True)
class Appearances:
    """How B clips look.

    Args:
        ground: [B, 3, S, S].
        ground_shift: [B, 2], -1..1, which part of it is in the middle.
        ground_zoom: [B], factor on how much of it is seen.
        skin: [B, 2 objects, 3, S, S].
        outline: [B, 2, 2, 5], amplitude and phase of the radius over the angle.
        aspect: [B, 2], height over width.
        radius: [B, 2], px; 0 = there is no such object.
        start: [B, 2, 2], px from the middle of the picture.
    """

    ground: Tensor
    ground_shift: Tensor
    ground_zoom: Tensor
    skin: Tensor
    outline: Tensor
    aspect: Tensor
    radius: Tensor
    start: Tensor

    def rendered(self, trajectories: Trajectories, times: Tensor, size: int, view: Tensor) -> Tensor:
        """Frames [B, N, size, size, 3] in -1..1.

        Args:
            trajectories: how objects and camera move.
            times: [B, N], frame steps.
            size: side, px.
            view: [B, N, 3], see `render`.
        """
        ground = Texture(self.ground, float(size), self.ground_zoom, self.ground_shift, mirrored=True)
        objects = [
            (self._object(i, size), trajectories.of_object(i, self.start[:, i], times)) for i in (1, 0)
        ]  # the first in front
        image, _ = render(ground, objects, Screen(size), trajectories.of_camera(times), view)
        return (image * 2 - 1).movedim(1, -1)

    def _object(self, number: int, size: int) -> DrawnObject:
        aspect = self.aspect[:, number]
        return DrawnObject(
            wavy_outline(self.outline[:, number, 0], self.outline[:, number, 1]),
            Texture(self.skin[:, number], zoom=0.35, shift=self.start[:, number] / size, mirrored=True),
            self.radius[:, number],
            stretch=torch.stack((aspect.sqrt(), aspect.rsqrt()), dim=-1),
        )


def draw_appearances(
    clips: int,
    trajectories: Trajectories,
    unit: float,
    difficulty: float,
    pool: Tensor,
    draws: Draws,
    present: Tensor | None = None,
) -> Appearances:
    """Appearances for clips that move along `trajectories`.

    Args:
        clips: B.
        trajectories: a camera that moves is given a ground to see; an object starts where its way fits.
        unit: px that stand for one of a picture of 64.
        difficulty: 0 = plain grounds and contrasting objects; 1 = everything.
        pool: textures [N, 3, S, S] to choose from.
        draws: source of chance.
        present: [B, 2], which objects there are; None = that is drawn, too.
    """
    textures = pool[draws.integers(0, len(pool), clips, 3)]
    flat = 0.1 + 0.8 * draws.rand(clips, 3, 3, 1, 1)
    flat = torch.lerp(flat.mean(dim=2, keepdim=True), flat, 0.2 + 0.8 * draws.rand(clips, 3, 1, 1, 1))
    # Contrast: mostly moderate, with plain surfaces among them; all plain where difficulty is 0.
    contrast = draws.rand(clips, 3, 1, 1, 1) * 0.9
    contrast = contrast * (draws.rand(clips, 3, 1, 1, 1) < 0.15 + 0.75 * difficulty)
    # A camera that moves over nothing shows nothing.
    camera_moves = trajectories.camera_moves
    visible = 0.3 + 0.6 * draws.rand(clips)
    contrast[:, 0, 0, 0, 0] = torch.where(camera_moves, visible, contrast[:, 0, 0, 0, 0])
    textures = flat + contrast * (textures - textures.mean(dim=(-1, -2), keepdim=True))
    # Objects stand out from the ground by their mean color.
    ground = textures[:, 0]
    mean = ground.mean(dim=(-1, -2), keepdim=True)[:, None]
    skin = textures[:, 1:]
    color = skin.mean(dim=(-1, -2), keepdim=True)
    direction = torch.where(mean < 0.5, 1.0, -1.0) * (0.4 + 0.6 * draws.rand(clips, 2, 3, 1, 1))
    strength = 0.25 + 0.45 * draws.rand(clips, 2, 1, 1, 1)
    near = ((color - mean).abs().amax(dim=2, keepdim=True) < 0.35).float()
    skin = skin + near * (mean + direction * strength - color)
    count = draws.rand(clips, 1)
    second = count < 0.08 * difficulty
    # A camera that moves over a still ground needs no object.
    first = ~(camera_moves & ~trajectories.object_moves)[:, None] | (count > 0.5)
    if present is None:
        present = torch.cat((first, second), dim=1)
    radius = (4.0 + 7.5 * draws.rand(clips, 2)) * unit * present
    times = torch.arange(trajectories.object.shape[2] + 1, device=pool.device).float()
    path = positions(trajectories.object[:, 0], times.expand(clips, -1))
    start = (draws.rand(clips, 2, 2) - 0.5) * 36 * unit
    start[:, 0] = start[:, 0] - path.mean(dim=1)
    amplitude = draws.randn(clips, 2, HARMONICS) * draws.tensor(0.0, 0.16, 0.14, 0.10, 0.08)
    amplitude = amplitude * (draws.rand(clips, 2, 1) < 0.8)
    phase = 2 * math.pi * draws.rand(clips, 2, HARMONICS)
    return Appearances(
        ground=ground,
        ground_shift=(draws.rand(clips, 2) - 0.5) * 2,
        ground_zoom=torch.exp((draws.rand(clips) - 0.5) * 1.4),
        skin=skin,
        outline=torch.stack((amplitude, phase), dim=2),
        aspect=torch.exp((draws.rand(clips, 2) - 0.5) * 0.9),
        radius=radius,
        start=start,
    )


def choose(first: Tensor, a: Appearances, b: Appearances) -> Appearances:
    """Clip by clip `a` where `first` [B] is true, else `b`."""
    chosen = {}
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        chosen[field.name] = torch.where(first.view(-1, *[1] * (x.ndim - 1)), x, y)
    return Appearances(**chosen)
