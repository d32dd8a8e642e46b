"""The procedural clip generator that dismo-tiny is trained on: textured cut-outs over textured grounds, all drawn in torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...synthetic.draws import Draws
from ...synthetic.textures import texture_pool
from ...synthetic.trajectories import positions, rates
from ..motion import SOURCES, WINDOW
from ..rollout import STRIDE

HARMONICS = 5
LABELS = 20
LONG_PACE = 0.66  # of the rates of clips: what moves through a long clip twice as long is to stay in view
BLOCK = 50  # batches that share a pool of textures


@dataclass(frozen=True)
class ClipBatch:
    """One training batch of B clips, frames in -1..1.

    Args:
        motion: [B, 8, H, W, 3], what the extractor sees.
        first: [B, S], which frame of the clip each source is, 0..3.
        source, target: [B, S, H, W, 3], pairs for the generator.
        start: [B, S, H, W, 3], frame 0 of the clip as the pair is seen: what a roll-out to the source begins with.
        gap: [B, S], frame steps from source to target, 0..4.
        label: [B, 4, 20], what moved how far in 1, 2 and 4 steps after source i; for the probe and the labelled warm-up.
    """

    motion: Tensor
    first: Tensor
    source: Tensor
    target: Tensor
    start: Tensor
    gap: Tensor
    label: Tensor


@dataclass(frozen=True)
class LongBatch:
    """Longer clips for roll-outs of N strides; frames in -1..1.

    Args:
        motion: [B, 4N + 1, H, W, 3], what the extractor sees.
        source: [B, N, H, W, 3], frames 0, 4, 8, ...: where the strides begin.
        target: [B, N, H, W, 3], `gap` [B, N] (1..4) frames after them.
    """

    motion: Tensor
    source: Tensor
    target: Tensor
    gap: Tensor


@dataclass
class _Moves:
    """How things move: object i and camera, rates per frame step in pixels, log scale and radians."""

    object: Tensor  # [B, 2 objects, steps, 2]
    object_turn: Tensor  # [B, 2, steps, 2] (log scale, angle)
    camera: Tensor  # [B, steps, 2]
    camera_turn: Tensor  # [B, steps, 2]


@dataclass
class _Looks:
    """How things look: textures, shapes, sizes, where objects start."""

    ground: Tensor  # [B, 3, S, S]
    ground_shift: Tensor  # [B, 2]
    ground_zoom: Tensor  # [B]
    skin: Tensor  # [B, 2, 3, S, S]
    outline: Tensor  # [B, 2, 2, HARMONICS] amplitude and phase of the radius over the angle
    aspect: Tensor  # [B, 2]
    radius: Tensor  # [B, 2] px; 0 = no such object
    start: Tensor  # [B, 2, 2] px from the centre


class ClipGenerator:
    """Draws batches; every batch is a function of (seed, index) alone.

    Args:
        size: frame side in pixels.
        seed: of the run.
        textures: how many textures the batches of a block draw from; every block makes its own.
        device: where the clips are made; every random number is the same on each.
    """

    def __init__(self, size: int = 64, seed: int = 0, textures: int = 96, device: torch.device | str = "cpu") -> None:
        self.size = size
        self.device = torch.device(device)
        self.seed = seed
        self.textures = textures
        self._pool: tuple[int, Tensor] | None = None

    def batch(
        self,
        index: int,
        clips: int,
        difficulty: float = 1.0,
        pairs: int = SOURCES,
        turning: float = 0.25,
    ) -> ClipBatch:
        """Draw batch number `index`.

        Args:
            index: any integer >= 0. clips: B.
            difficulty: 0 = plain grounds, contrasting objects, one object that moves; 1 = everything.
            pairs: S, how many of the four sources a clip gives, 1..4.
            turning: share of the moves that are growth or rotation on the spot.
        """
        draws = Draws(self.seed * 1_000_003 + index * 7919 + 1, self.device)
        moves = self._moves(clips, WINDOW - 1, 1.0, difficulty, turning, draws)
        motion, content = self._motion(moves, difficulty, index, draws)
        first = draws.rand(clips, SOURCES).argsort(dim=1)[:, :pairs].sort(dim=1).values
        gap = _gaps((clips, pairs), draws)
        views = self._view(clips, pairs, draws)
        shown = torch.cat((first, first + gap, torch.zeros_like(first)), dim=1)
        frames = self._render(content, moves, shown, views.repeat(1, 3, 1))
        frames = frames.unflatten(1, (3, pairs)).transpose(1, 2).flatten(0, 1)
        frames = _jitter(frames, 0.2, draws).unflatten(0, (clips, pairs))
        return ClipBatch(motion, first, frames[:, :, 0], frames[:, :, 1], frames[:, :, 2], gap, _labels(moves))

    def long_clips(self, index: int, clips: int, strides: int, turning: float = 0.2) -> LongBatch:
        """Draw long clips number `index`; half of the gaps are whole strides, what a roll-out goes on from.

        Args:
            index, clips, turning: as of `batch`. strides: N.
        """
        draws = Draws(self.seed * 1_000_003 + index * 7919 + 4, self.device)
        moves = self._moves(clips, STRIDE * strides, LONG_PACE, 1.0, turning, draws)
        motion, content = self._motion(moves, 1.0, index, draws)
        gap = torch.where(
            draws.rand(clips, strides) < 0.5, float(STRIDE), draws.integers(1, STRIDE, clips, strides).float()
        )
        start = STRIDE * torch.arange(strides, device=self.device).float().expand(clips, -1)
        shown = torch.cat((start, start + gap), dim=1)
        frames = self._render(content, moves, shown, self._view(clips, 1, draws).expand(-1, 2 * strides, -1))
        source, target = _jitter(frames, 0.2, draws).split(strides, dim=1)
        return LongBatch(motion, source, target, gap)

    def pictures(self, index: int, count: int) -> Tensor:
        """Single frames [count, H, W, 3] in -1..1, for the start of the encoders."""
        draws = Draws(self.seed * 1_000_003 + index * 7919 + 2, self.device)
        moves = self._moves(count, WINDOW - 1, 1.0, 1.0, 0.25, draws)
        looks = self._looks(count, moves, 1.0, self._textures(index // BLOCK), draws)
        frames = self._render(looks, moves, torch.zeros(count, 1, device=self.device), self._view(count, 1, draws))
        return _jitter(frames, 0.35, draws)[:, 0]

    def _motion(self, moves: _Moves, difficulty: float, index: int, draws: Draws) -> tuple[Tensor, _Looks]:
        """The frames [B, steps + 1, H, W, 3] for the extractor, and how things look to the generator."""
        clips, steps = moves.camera.shape[:2]
        pool = self._textures(index // BLOCK)
        looks = self._looks(clips, moves, difficulty, pool, draws)
        # Half of the clips show the generator other things that move alike: strong content augmentation. As many of them:
        # a motion cannot say how something moves that its clip does not show.
        others = self._looks(clips, moves, difficulty, pool, draws, present=looks.radius > 0)
        content = _choose(draws.rand(clips) < 0.5, others, looks)
        times = torch.arange(steps + 1, device=self.device).float().expand(clips, -1)
        view = self._view(clips, 1, draws)
        motion = self._render(looks, moves, times, view.expand(-1, steps + 1, -1))
        return _jitter(motion, 0.35, draws), content

    def _tensor(self, *values: float) -> Tensor:
        return torch.tensor(values, device=self.device)

    def _textures(self, block: int) -> Tensor:
        if self._pool is None or self._pool[0] != block:
            draws = Draws(self.seed * 1_000_003 + block * 7919 + 3, self.device)
            self._pool = (block, texture_pool(self.textures, draws))
        return self._pool[1]

    def _moves(self, clips: int, steps: int, pace: float, difficulty: float, turning: float, draws: Draws) -> _Moves:
        """Moves over `steps`; `pace` is a factor on every rate."""
        unit = pace * self.size / 64
        roll = draws.rand(clips)
        mixed = roll < 0.16 * difficulty
        camera_only = (roll >= 0.16) & (roll < 0.16 + 0.30 * difficulty)
        still = roll > 0.95
        moving_object = ~camera_only & ~still
        moving_camera = mixed | camera_only
        turn = draws.rand(clips)
        shift = turn > turning * difficulty  # else it grows or turns on the spot
        turns = (turn < (turning + 0.1) * difficulty)[:, None, None]

        objects = torch.stack([rates(clips, steps, 4.0 * unit, draws) for _ in range(2)], dim=1)
        object_turn = torch.stack([rates(clips, steps, pace, draws) for _ in range(2)], dim=1) * self._tensor(
            0.14, 0.24
        )
        one_kind = F.one_hot(draws.integers(0, 2, clips), 2).float()[:, None]
        camera = rates(clips, steps, 3.2 * unit, draws)
        camera_turn = rates(clips, steps, pace, draws) * self._tensor(0.07, 0.10) * one_kind
        return _Moves(
            object=objects * (moving_object & shift)[:, None, None, None],
            object_turn=object_turn * one_kind[:, None] * (turns & moving_object[:, None, None])[:, None],
            camera=camera * (moving_camera & shift)[:, None, None],
            camera_turn=camera_turn * (turns & moving_camera[:, None, None]),
        )

    def _looks(
        self, clips: int, moves: _Moves, difficulty: float, pool: Tensor, draws: Draws, present: Tensor | None = None
    ) -> _Looks:
        """Draw looks; `present` [clips, 2] says which objects there are, where that is not to be drawn, too."""
        unit = self.size / 64
        textures = pool[draws.integers(0, len(pool), clips, 3)]
        flat = 0.1 + 0.8 * draws.rand(clips, 3, 3, 1, 1)
        flat = torch.lerp(flat.mean(dim=2, keepdim=True), flat, 0.2 + 0.8 * draws.rand(clips, 3, 1, 1, 1))
        # Contrast: mostly moderate, with plain surfaces among them; all plain where difficulty is 0.
        contrast = draws.rand(clips, 3, 1, 1, 1) * 0.9
        contrast = contrast * (draws.rand(clips, 3, 1, 1, 1) < 0.15 + 0.75 * difficulty)
        # A camera that moves over nothing shows nothing.
        camera_moves = moves.camera.abs().sum((1, 2)) + moves.camera_turn.abs().sum((1, 2)) > 0
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
        object_moves = moves.object.abs().sum((1, 2, 3)) + moves.object_turn.abs().sum((1, 2, 3)) > 0
        first = ~(camera_moves & ~object_moves)[:, None] | (count > 0.5)
        if present is None:
            present = torch.cat((first, second), dim=1)
        radius = (4.0 + 7.5 * draws.rand(clips, 2)) * unit * present
        times = torch.arange(moves.object.shape[2] + 1, device=self.device).float()
        path = positions(moves.object[:, 0], times.expand(clips, -1))
        start = (draws.rand(clips, 2, 2) - 0.5) * 36 * unit
        start[:, 0] = start[:, 0] - path.mean(dim=1)
        amplitude = draws.randn(clips, 2, HARMONICS) * self._tensor(0.0, 0.16, 0.14, 0.10, 0.08)
        amplitude = amplitude * (draws.rand(clips, 2, 1) < 0.8)
        phase = 2 * math.pi * draws.rand(clips, 2, HARMONICS)
        return _Looks(
            ground=ground,
            ground_shift=(draws.rand(clips, 2) - 0.5) * 2,
            ground_zoom=torch.exp((draws.rand(clips) - 0.5) * 1.4),
            skin=skin,
            outline=torch.stack((amplitude, phase), dim=2),
            aspect=torch.exp((draws.rand(clips, 2) - 0.5) * 0.9),
            radius=radius,
            start=start,
        )

    def _view(self, clips: int, count: int, draws: Draws) -> Tensor:
        """Crops: shift in px and zoom, [B, count, 3]; milder than published, since a small model must learn magnitudes."""
        shift = (draws.rand(clips, count, 2) - 0.5) * 0.22 * self.size
        zoom = torch.exp((draws.rand(clips, count, 1) - 0.5) * 0.16)
        return torch.cat((shift, zoom), dim=-1)

    def _render(self, looks: _Looks, moves: _Moves, times: Tensor, view: Tensor) -> Tensor:
        """Frames [B, N, H, W, 3] in -1..1 at times [B, N] through views [B, N, 3]."""
        clips, count = times.shape
        size = self.size
        axis = torch.arange(size, device=self.device) + 0.5 - size / 2
        pixel = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)  # (x, y)
        screen = pixel[None, None] * view[..., 2, None, None, None] + view[..., None, None, :2]
        turn = positions(moves.camera_turn, times)
        world = _turned(screen, -turn[..., 1]) * torch.exp(-turn[..., 0])[..., None, None, None]
        world = world - positions(moves.camera, times)[:, :, None, None]

        def paint(texture: Tensor, at: Tensor) -> Tensor:
            grid = torch.remainder(at + 1, 4)  # mirrored tiling: the pool is periodic, its offsets are not
            grid = torch.where(grid > 2, 4 - grid, grid) - 1
            out: Tensor = F.grid_sample(
                texture, grid.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=False
            ).unflatten(2, (count, size))
            return out  # [B, 3, N, H, W]

        ground_at = (
            world / size * looks.ground_zoom[:, None, None, None, None] + looks.ground_shift[:, None, None, None]
        )
        image = paint(looks.ground, ground_at)
        for i in (1, 0):
            present = looks.radius[:, i] > 0
            if not bool(present.any()):
                continue
            change = positions(moves.object_turn[:, i], times)
            centre = looks.start[:, i, None] + positions(moves.object[:, i], times)
            local = _turned(world - centre[:, :, None, None], -change[..., 1])
            radius = looks.radius[:, i, None] * torch.exp(change[..., 0])
            local = local / radius.clamp_min(1e-3)[..., None, None, None]
            stretch = torch.stack((looks.aspect[:, i].sqrt(), looks.aspect[:, i].rsqrt()), dim=-1)
            local = local * stretch[:, None, None, None]
            angle = torch.atan2(local[..., 1], local[..., 0])
            edge = torch.ones_like(angle)
            for k in range(1, HARMONICS):
                a, p = looks.outline[:, i, 0, k], looks.outline[:, i, 1, k]
                edge = edge + a[:, None, None, None] * torch.cos((k + 1) * angle + p[:, None, None, None])
            inside = (edge.clamp_min(0.35) - local.norm(dim=-1)) * radius[..., None, None]
            alpha = (inside + 0.5).clamp(0, 1) * present[:, None, None, None]
            skin = paint(looks.skin[:, i], local * 0.35 + looks.start[:, i, None, None, None] / size)
            image = image + alpha[:, None] * (skin - image)
        return (image.clamp(0, 1) * 2 - 1).movedim(1, -1)


def _turned(at: Tensor, angle: Tensor) -> Tensor:
    """Turn points [B, N, H, W, 2] by angles [B, N]."""
    c, s = angle.cos()[..., None, None], angle.sin()[..., None, None]
    x, y = at[..., 0], at[..., 1]
    return torch.stack((c * x - s * y, s * x + c * y), dim=-1)


def _choose(first: Tensor, a: _Looks, b: _Looks) -> _Looks:
    fields = {}
    for name in a.__dataclass_fields__:
        x, y = getattr(a, name), getattr(b, name)
        fields[name] = torch.where(first.view(-1, *[1] * (x.ndim - 1)), x, y)
    return _Looks(**fields)


def _gaps(shape: tuple[int, int], draws: Draws) -> Tensor:
    """Gaps in frame steps, in fifths of a step up to 4, weighted by the published Gamma(3, 12/s) law at 30 fps.

    Half of them are drawn evenly over whole steps instead: roll-out strides four steps, which that law hardly shows.
    """
    fifths = torch.arange(1, 21).float()
    weight = (fifths / 30) ** 2 * torch.exp(-12 * fifths / 30)
    gamma = (draws.choices(weight, *shape) + 1).float() / 5
    even = draws.integers(1, 5, *shape).float()
    return torch.where(draws.rand(*shape) < 0.5, even, gamma)


def _jitter(frames: Tensor, strength: float, draws: Draws) -> Tensor:
    """Brightness, contrast and saturation factors, one set a clip; frames [B, N, H, W, 3] in -1..1."""
    factor = 1 + strength * (2 * draws.rand(3, len(frames), 1, 1, 1, 1) - 1)
    x = (frames + 1) / 2 * factor[0]
    mean = x.mean(dim=(1, 2, 3, 4), keepdim=True)
    x = mean + (x - mean) * factor[1]
    grey = x.mean(dim=-1, keepdim=True)
    return (grey + (x - grey) * factor[2]).clamp(0, 1) * 2 - 1


def _labels(moves: _Moves) -> Tensor:
    """What moves how far after each source frame, scaled to about unit variance, [B, 4, 20]."""
    clips = len(moves.camera)
    start = torch.arange(SOURCES, device=moves.camera.device).float().expand(clips, -1)
    parts = []
    for rate, unit in (
        (moves.object[:, 0], 3.0),
        (moves.camera, 2.5),
        (moves.object_turn[:, 0], 0.085),
        (moves.camera_turn, 0.045),
    ):
        for gap in (1.0, 4.0) if unit < 1 else (1.0, 2.0, 4.0):
            moved = positions(rate, start + gap) - positions(rate, start)
            parts.append(moved / (unit * gap**0.8))
    return torch.cat(parts, dim=-1)
