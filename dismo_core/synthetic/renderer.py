"""The one renderer of drawn scenes: objects over a ground, each with its trajectory, seen by a camera.

What a scene is made of (outlines, textures, trajectories, seeds) is drawn elsewhere: `appearances.py` and `trajectories.py`
for training, `held_out/` for evaluation. Coordinates are (x right, y down) in px from the middle of the picture at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Outline = Callable[[Tensor, Tensor], Tensor]
"""(points [B, N, h, w, 2] in radii, radius [B, N] in px) -> how much of each point is inside, 0..1, [B, N, h, w]."""
SMALLEST = 1e-3  # px; a radius that is divided by is no smaller


@dataclass(frozen=True)
class Trajectory:
    """Where something is at N times, in each of B clips.

    Args:
        place: [B, N, 2], px. Of an object: from the middle of the picture at rest. Of the camera: how far the world has moved.
        log_scale: [B, N], natural logarithm of the growth.
        angle: [B, N], clockwise turn, radians.
    """

    place: Tensor
    log_scale: Tensor
    angle: Tensor


@dataclass(frozen=True)
class Texture:
    """A picture to paint with.

    Args:
        image: [B, 3, h, w], 0..1.
        span: distance, in the units of the points that are painted, from its middle to its edge where `zoom` is 1.
        zoom: factor on how much of it is passed in a distance: a number or [B].
        shift: [B, 2], where in it the middle lies, -1..1 from edge to edge; None = in its middle.
        mirrored: goes on beyond its edges as in a mirror; else the edge itself goes on.
        corners: its edges are the middles of its outermost samples, not their outer borders.
    """

    image: Tensor
    span: float = 1.0
    zoom: Tensor | float = 1.0
    shift: Tensor | None = None
    mirrored: bool = False
    corners: bool = False

    def at(self, points: Tensor) -> Tensor:
        """Colors [B, 3, N, h, w] at points [B, N, h, w, 2], bilinear."""
        zoom = self.zoom if isinstance(self.zoom, float) else self.zoom[:, None, None, None, None]
        grid = points / self.span * zoom
        if self.shift is not None:
            grid = grid + self.shift[:, None, None, None]
        if self.mirrored:
            grid = torch.remainder(grid + 1, 4)
            grid = torch.where(grid > 2, 4 - grid, grid) - 1
        out = F.grid_sample(
            self.image, grid.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=self.corners
        )
        colors: Tensor = out.unflatten(2, points.shape[1:3])
        return colors


@dataclass(frozen=True)
class DrawnObject:
    """An object to draw, one in each of B clips.

    Args:
        outline: which points are inside.
        skin: painted in radii about the outline's origin.
        radius: [B], px at scale 1; 0 = this clip has no such object.
        turn: [B], resting orientation, radians; None = 0.
        pivot: [B, 2], the point, in radii, that stands at the trajectory's place, about which it turns and grows; None = the origin.
        stretch: [B, 2], factors on the points (x, y): above 1 makes it narrower; None = 1.
        reach: bound of the distance from pivot to outline, in radii: only so far is it drawn; None = everywhere.
    """

    outline: Outline
    skin: Texture
    radius: Tensor
    turn: Tensor | None = None
    pivot: Tensor | None = None
    stretch: Tensor | None = None
    reach: float | None = None

    def local(self, world: Tensor, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
        """Points of the world [B, N, h, w, 2] in radii about the outline's origin, and the radius [B, N] in px."""
        angle = trajectory.angle if self.turn is None else trajectory.angle + self.turn[:, None]
        radius = self.radius[:, None] * torch.exp(trajectory.log_scale)
        local = turned(world - trajectory.place[:, :, None, None], -angle)
        local = local / radius.clamp_min(SMALLEST)[..., None, None, None]
        if self.stretch is not None:
            local = local * self.stretch[:, None, None, None]
        if self.pivot is not None:
            local = local + self.pivot[:, None, None, None]
        return local, radius


def render(
    ground: Texture,
    objects: Sequence[tuple[DrawnObject, Trajectory]],
    screen: Screen,
    camera: Trajectory | None = None,
    view: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Draw the objects, in this order, over the ground.

    Args:
        ground: painted in px of the world.
        objects: each with where it is in the world at the N times.
        screen: how many pixels, and how densely they are sampled.
        camera: how the world moves, grows and turns on the screen; None = it stands still.
        view: a crop of the screen, [B, N, 3]: shift (x, y) in px and how many px of it a pixel covers; None = all of it.

    Returns:
        The pictures [B, 3, N, H, W], 0..1, and of each object how much of each pixel it covers, [B, N, H, W].
        N is 1 where neither camera, view nor objects have more.
    """
    pixels = screen.points(screen.ground_samples, ground.image)
    image = _mean(ground.at(_to_world(pixels, camera, view)), screen.ground_samples)
    covered = []
    for drawn, trajectory in objects:
        times = max(image.shape[2], trajectory.place.shape[1])
        image = image.expand(-1, -1, times, -1, -1)
        coverage = torch.zeros_like(image[:, 0])
        if not bool((drawn.radius > 0).any()):
            covered.append(coverage)
            continue
        if drawn.reach is None:
            world = _to_world(screen.points(screen.samples, image), camera, view)
            image, coverage = _over(image, drawn, trajectory, world, screen.samples)
        else:
            patch = _Patch.around(drawn, drawn.reach, trajectory, screen, camera, view).expanded(len(image), times)
            world = _to_world(screen.points(screen.samples, image, patch.corner, patch.side), camera, view)
            part, covers = _over(patch.cut(image), drawn, trajectory, world, screen.samples)
            image, coverage = patch.put(part, image), patch.put(covers[:, None], coverage[:, None])[:, 0]
        covered.append(coverage)
    return image.clamp(0, 1), covered


def _over(
    image: Tensor, drawn: DrawnObject, trajectory: Trajectory, world: Tensor, samples: int
) -> tuple[Tensor, Tensor]:
    """One object over a picture: every sample is mixed, then their mean is taken.

    Args:
        image: [B, 3, N, h, w].
        drawn: the object.
        trajectory: where it is.
        world: where the samples of the picture are in the world, [B or 1, N or 1, h x samples, w x samples, 2].
        samples: per pixel and axis.

    Returns:
        The picture, and how much of each pixel is covered, [B, N, h, w].
    """
    local, radius = drawn.local(world.expand(len(image), image.shape[2], -1, -1, -1), trajectory)
    alpha = drawn.outline(local, radius) * (drawn.radius > 0)[:, None, None, None]
    under = image.repeat_interleave(samples, -1).repeat_interleave(samples, -2) if samples > 1 else image
    change = alpha[:, None] * (drawn.skin.at(local) - under)
    return image + _mean(change, samples), _mean(alpha, samples)


@dataclass(frozen=True)
class _Patch:
    """The square of each picture that an object can reach.

    Args:
        corner: [B, N, 2] (x, y), pixels.
        side: pixels.
    """

    corner: Tensor
    side: int

    @classmethod
    def around(
        cls,
        drawn: DrawnObject,
        reach: float,
        trajectory: Trajectory,
        screen: Screen,
        camera: Trajectory | None,
        view: Tensor | None,
    ) -> _Patch:
        """The patches of an object of known reach, in radii."""
        middle = trajectory.place
        far = reach * drawn.radius[:, None] * trajectory.log_scale.exp()
        if camera is not None:
            scale = camera.log_scale.exp()
            middle = turned((middle + camera.place)[:, :, None, None], camera.angle)[:, :, 0, 0] * scale[..., None]
            far = far * scale
        if view is not None:
            middle, far = (middle - view[..., :2]) / view[..., 2:], far / view[..., 2]
        middle, far = middle * screen.density + screen.size / 2, far * screen.density
        side = min(screen.size, int(2 * far.max()) + 3)
        return cls((middle - far[..., None]).floor().long().clamp(0, screen.size - side), side)

    def expanded(self, clips: int, times: int) -> _Patch:
        """For so many pictures."""
        return _Patch(self.corner.expand(clips, times, -1), self.side)

    def _index(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clips, times = self.corner.shape[:2]
        steps = torch.arange(self.side, device=self.corner.device)
        clip, time = (torch.arange(n, device=steps.device) for n in (clips, times))
        x, y = self.corner[..., 0, None, None], self.corner[..., 1, None, None]
        return clip[:, None, None, None], time[:, None, None], y + steps[:, None], x + steps

    def cut(self, image: Tensor) -> Tensor:
        """The patches [B, C, N, side, side] of pictures [B, C, N, H, W]."""
        return image.movedim(1, -1)[self._index()].movedim(-1, 1)

    def put(self, part: Tensor, image: Tensor) -> Tensor:
        """Pictures [B, C, N, H, W] with these patches in them."""
        out = image.clone()
        out.movedim(1, -1)[self._index()] = part.movedim(1, -1)
        return out


@dataclass(frozen=True)
class Screen:
    """The pixels of a picture.

    Args:
        size: pixels a side.
        samples: of an object per pixel and axis; 1 for outlines that are soft by themselves.
        ground_samples: of the ground per pixel and axis.
        density: pixels per px of the scene.
    """

    size: int
    samples: int = 1
    ground_samples: int = 1
    density: float = 1.0

    def points(self, samples: int, like: Tensor, corner: Tensor | None = None, side: int = 0) -> Tensor:
        """Where the samples are on the screen.

        Args:
            samples: per pixel and axis.
            like: gives device and type.
            corner: of a square of pixels in each picture, [B, N, 2] (x, y); None = the whole picture.
            side: of that square, pixels.

        Returns:
            [B, N, side x samples, side x samples, 2]; B and N are 1 for the whole picture.
        """
        steps = torch.arange((side or self.size) * samples, dtype=like.dtype, device=like.device) + 0.5
        steps = (steps / samples - self.size / 2)[None, None]
        x, y = (steps, steps) if corner is None else (steps + corner[..., i, None] for i in (0, 1))
        x, y = torch.broadcast_tensors(x[..., None, :] / self.density, y[..., :, None] / self.density)
        return torch.stack((x, y), dim=-1)


def _to_world(points: Tensor, camera: Trajectory | None, view: Tensor | None) -> Tensor:
    """Points of the screen [..., h, w, 2] in the world, [B, N, h, w, 2]."""
    if view is not None:
        points = points * view[..., 2, None, None, None] + view[..., None, None, :2]
    if camera is not None:
        points = turned(points, -camera.angle) * torch.exp(-camera.log_scale)[..., None, None, None]
        points = points - camera.place[:, :, None, None]
    return points


def turned(points: Tensor, angle: Tensor) -> Tensor:
    """Turn points [B, N, h, w, 2] by angles [B, N], clockwise."""
    c, s = angle.cos()[..., None, None], angle.sin()[..., None, None]
    x, y = points[..., 0], points[..., 1]
    return torch.stack((c * x - s * y, s * x + c * y), dim=-1)


def _mean(values: Tensor, samples: int) -> Tensor:
    """Means [..., h, w] over blocks of samples [..., h x samples, w x samples]."""
    if samples == 1:
        return values
    means: Tensor = F.avg_pool2d(values.flatten(0, -3), samples).unflatten(0, values.shape[:-2])
    return means
