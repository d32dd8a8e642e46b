"""Drawn scenes in motion, batch by batch: what generators of training clips are made of, and pairs that move alike."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from .appearances import Appearances, draw_appearances
from .draws import Draws
from .textures import texture_pool
from .trajectories import Trajectories, draw_trajectories

BLOCK = 50  # batches that share a pool of textures
PACE = 0.66  # of pairs; what moves through 16 frames at full pace leaves the picture
KINDS = ("object", "camera", "both", "still")
Rows = TypeVar("Rows", Trajectories, Appearances)


@dataclass(frozen=True)
class ScenePairs:
    """Clips that move alike and look different: of the same place and size, with other surfaces.

    Args:
        first: [B, T, H, W, 3] in -1..1.
        second: likewise; None where it was not asked for.
        kinds: int64 [B], what moves, a number in `KINDS`.
    """

    first: Tensor
    second: Tensor | None
    kinds: Tensor


class MovingScenes:
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

    def draws(self, index: int, purpose: int) -> Draws:
        """The stream of random numbers of a batch; each purpose has one of its own."""
        return Draws(self.seed * 1_000_003 + index * 7919 + purpose, self.device)

    def pairs(self, index: int, clips: int, frames: int, lively: float = 1.0, paired: bool = True) -> ScenePairs:
        """Draw pairs number `index`.

        Args:
            index: any integer >= 0.
            clips: B.
            frames: T.
            lively: share of what is drawn that is kept, that in which most changes from frame to frame; 1 = all.
            paired: whether the second clips are drawn as well; the first are the same either way.
        """
        draws = self.draws(index, 8)
        count = round(clips / lively)
        trajectories = self.trajectories(count, frames - 1, PACE, 1.0, 0.2, draws)
        looks = self.appearances(trajectories, 1.0, self.pool(index), draws)
        times = torch.arange(frames, device=self.device).float().expand(count, -1)
        views = self.views(count, 1, draws).expand(-1, frames, -1)
        first = looks.rendered(trajectories, times, self.size, views)
        changes = (first[:, 1:] - first[:, :-1]).abs().flatten(1).mean(dim=1)
        kept = changes.argsort(descending=True, stable=True)[:clips].sort().values
        first = jittered(first[kept], 0.35, draws)
        objects, camera = trajectories.object_moves[kept], trajectories.camera_moves[kept]
        kinds = torch.where(objects & camera, 2, torch.where(camera, 1, torch.where(objects, 0, 3)))
        if not paired:
            return ScenePairs(first, None, kinds)
        alike, same = chosen(trajectories, kept), chosen(looks, kept)
        other = self.appearances(alike, 1.0, self.pool(index), draws, present=same.radius > 0)
        other = replace(other, outline=same.outline, aspect=same.aspect, radius=same.radius, start=same.start)
        second = other.rendered(alike, times[:clips], self.size, views[kept])
        return ScenePairs(first, jittered(second, 0.35, draws), kinds)

    def trajectories(
        self, clips: int, steps: int, pace: float, difficulty: float, turning: float, draws: Draws
    ) -> Trajectories:
        """How everything moves; see `draw_trajectories`."""
        return draw_trajectories(clips, steps, self.size / 64, pace, difficulty, turning, draws)

    def appearances(
        self, trajectories: Trajectories, difficulty: float, pool: Tensor, draws: Draws, present: Tensor | None = None
    ) -> Appearances:
        """How everything looks; see `draw_appearances`."""
        clips = len(trajectories.camera)
        return draw_appearances(clips, trajectories, self.size / 64, difficulty, pool, draws, present)

    def pool(self, index: int) -> Tensor:
        """The textures [N, 3, S, S] that batch `index` draws from."""
        block = index // BLOCK
        if self._pool is None or self._pool[0] != block:
            self._pool = (block, texture_pool(self.textures, self.draws(block, 3)))
        return self._pool[1]

    def views(self, clips: int, count: int, draws: Draws) -> Tensor:
        """Crops: shift in px and zoom, [B, count, 3]; milder than published, since a small model must learn magnitudes."""
        shift = (draws.rand(clips, count, 2) - 0.5) * 0.22 * self.size
        zoom = torch.exp((draws.rand(clips, count, 1) - 0.5) * 0.16)
        return torch.cat((shift, zoom), dim=-1)


def jittered(frames: Tensor, strength: float, draws: Draws) -> Tensor:
    """Brightness, contrast and saturation factors, one set a clip; frames [B, N, H, W, 3] in -1..1."""
    factor = 1 + strength * (2 * draws.rand(3, len(frames), 1, 1, 1, 1) - 1)
    x = (frames + 1) / 2 * factor[0]
    mean = x.mean(dim=(1, 2, 3, 4), keepdim=True)
    x = mean + (x - mean) * factor[1]
    grey = x.mean(dim=-1, keepdim=True)
    return (grey + (x - grey) * factor[2]).clamp(0, 1) * 2 - 1


def chosen(drawn: Rows, rows: Tensor) -> Rows:
    """Some of the clips."""
    return type(drawn)(**{part.name: getattr(drawn, part.name)[rows] for part in fields(drawn)})
