"""The batches that dismo-tiny is trained on: clips of drawn scenes, pairs of their frames, and what moved how far."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...synthetic.appearances import Appearances, choose
from ...synthetic.draws import Draws
from ...synthetic.moving_scenes import MovingScenes, jittered
from ...synthetic.trajectories import Trajectories, positions
from ..motion import SOURCES, WINDOW
from ..rollout import STRIDE

LABELS = 20
LONG_PACE = 0.66  # of the rates of clips: what moves through a long clip twice as long is to stay in view


@dataclass(frozen=True)
class ClipBatch:
    """One training batch of B clips, frames in -1..1.

    Args:
        motion: [B, 8, H, W, 3], what the extractor sees.
        first: [B, S], which frame of the clip each source is, 0..3.
        source: [B, S, H, W, 3], what the generator goes on from.
        target: [B, S, H, W, 3], what it is to make of it.
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
        target: [B, N, H, W, 3], `gap` frames after them.
        gap: [B, N], 1..4.
    """

    motion: Tensor
    source: Tensor
    target: Tensor
    gap: Tensor


@dataclass(frozen=True)
class SeenMotion:
    """Clips as the extractor sees them, and all that moves in them.

    Args:
        frames: [B, 8, H, W, 3] in -1..1.
        trajectories: of camera and objects, px and radians.
        start: [B, 2 objects, 2], px from the middle of the picture at rest.
        view: [B, 3], see `render`: the same in all frames of a clip.
    """

    frames: Tensor
    trajectories: Trajectories
    start: Tensor
    view: Tensor


class ClipGenerator(MovingScenes):
    """Batches for the motion extractor and what generates from its embeddings; see `MovingScenes`."""

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
            index: any integer >= 0.
            clips: B.
            difficulty: 0 = plain grounds, contrasting objects, one object that moves; 1 = everything.
            pairs: S, how many of the four sources a clip gives, 1..4.
            turning: share of the trajectories that are growth or rotation on the spot.
        """
        draws = self.draws(index, 1)
        trajectories = self.trajectories(clips, WINDOW - 1, 1.0, difficulty, turning, draws)
        motion, content = self._motion(trajectories, difficulty, index, draws)
        first = draws.rand(clips, SOURCES).argsort(dim=1)[:, :pairs].sort(dim=1).values
        gap = _gaps((clips, pairs), draws)
        views = self.views(clips, pairs, draws)
        shown = torch.cat((first, first + gap, torch.zeros_like(first)), dim=1)
        frames = content.rendered(trajectories, shown, self.size, views.repeat(1, 3, 1))
        frames = frames.unflatten(1, (3, pairs)).transpose(1, 2).flatten(0, 1)
        frames = jittered(frames, 0.2, draws).unflatten(0, (clips, pairs))
        return ClipBatch(motion, first, frames[:, :, 0], frames[:, :, 1], frames[:, :, 2], gap, _labels(trajectories))

    def seen_motion(self, index: int, clips: int, turning: float = 0.25, pace: float = 1.0) -> SeenMotion:
        """Draw clips number `index` for what only reads motion: nothing is generated from them.

        Args:
            index: any integer >= 0.
            clips: B.
            turning: share of the trajectories that are growth or rotation on the spot.
            pace: factor on every rate.
        """
        draws = self.draws(index, 5)
        trajectories = self.trajectories(clips, WINDOW - 1, pace, 1.0, turning, draws)
        appearances = self.appearances(trajectories, 1.0, self.pool(index), draws)
        view = self.views(clips, 1, draws)
        times = torch.arange(WINDOW, device=self.device).float().expand(clips, -1)
        frames = appearances.rendered(trajectories, times, self.size, view.expand(-1, WINDOW, -1))
        return SeenMotion(jittered(frames, 0.35, draws), trajectories, appearances.start, view[:, 0])

    def long_clips(self, index: int, clips: int, strides: int, turning: float = 0.2) -> LongBatch:
        """Draw long clips number `index`; half of the gaps are whole strides, what a roll-out goes on from.

        Args:
            index: any integer >= 0.
            clips: B.
            strides: N.
            turning: share of the trajectories that are growth or rotation on the spot.
        """
        draws = self.draws(index, 4)
        trajectories = self.trajectories(clips, STRIDE * strides, LONG_PACE, 1.0, turning, draws)
        motion, content = self._motion(trajectories, 1.0, index, draws)
        gap = torch.where(
            draws.rand(clips, strides) < 0.5, float(STRIDE), draws.integers(1, STRIDE, clips, strides).float()
        )
        start = STRIDE * torch.arange(strides, device=self.device).float().expand(clips, -1)
        shown = torch.cat((start, start + gap), dim=1)
        frames = content.rendered(
            trajectories, shown, self.size, self.views(clips, 1, draws).expand(-1, 2 * strides, -1)
        )
        source, target = jittered(frames, 0.2, draws).split(strides, dim=1)
        return LongBatch(motion, source, target, gap)

    def pictures(self, index: int, count: int) -> Tensor:
        """Single frames [count, H, W, 3] in -1..1, for the start of the encoders."""
        draws = self.draws(index, 2)
        trajectories = self.trajectories(count, WINDOW - 1, 1.0, 1.0, 0.25, draws)
        appearances = self.appearances(trajectories, 1.0, self.pool(index), draws)
        at_rest = torch.zeros(count, 1, device=self.device)
        frames = appearances.rendered(trajectories, at_rest, self.size, self.views(count, 1, draws))
        return jittered(frames, 0.35, draws)[:, 0]

    def _motion(
        self, trajectories: Trajectories, difficulty: float, index: int, draws: Draws
    ) -> tuple[Tensor, Appearances]:
        """The frames [B, steps + 1, H, W, 3] for the extractor, and how the clips look to the generator."""
        clips, steps = trajectories.camera.shape[:2]
        pool = self.pool(index)
        appearances = self.appearances(trajectories, difficulty, pool, draws)
        # Half of the clips show the generator other objects that move alike: strong content augmentation. As many of them:
        # a motion cannot say how something moves that its clip does not show.
        others = self.appearances(trajectories, difficulty, pool, draws, present=appearances.radius > 0)
        content = choose(draws.rand(clips) < 0.5, others, appearances)
        times = torch.arange(steps + 1, device=self.device).float().expand(clips, -1)
        view = self.views(clips, 1, draws)
        motion = appearances.rendered(trajectories, times, self.size, view.expand(-1, steps + 1, -1))
        return jittered(motion, 0.35, draws), content


def _gaps(shape: tuple[int, int], draws: Draws) -> Tensor:
    """Gaps in frame steps, in fifths of a step up to 4, weighted by the published Gamma(3, 12/s) law at 30 fps.

    Half of them are drawn evenly over whole steps instead: roll-out strides four steps, which that law hardly shows.
    """
    fifths = torch.arange(1, 21).float()
    weight = (fifths / 30) ** 2 * torch.exp(-12 * fifths / 30)
    gamma = (draws.choices(weight, *shape) + 1).float() / 5
    even = draws.integers(1, 5, *shape).float()
    return torch.where(draws.rand(*shape) < 0.5, even, gamma)


def _labels(trajectories: Trajectories) -> Tensor:
    """What moves how far after each source frame, scaled to about unit variance, [B, 4, 20]."""
    clips = len(trajectories.camera)
    start = torch.arange(SOURCES, device=trajectories.camera.device).float().expand(clips, -1)
    parts = []
    for rate, unit in (
        (trajectories.object[:, 0], 3.0),
        (trajectories.camera, 2.5),
        (trajectories.object_turn[:, 0], 0.085),
        (trajectories.camera_turn, 0.045),
    ):
        for gap in (1.0, 4.0) if unit < 1 else (1.0, 2.0, 4.0):
            moved = positions(rate, start + gap) - positions(rate, start)
            parts.append(moved / (unit * gap**0.8))
    return torch.cat(parts, dim=-1)
