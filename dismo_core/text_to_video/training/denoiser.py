"""The denoiser's training: clean latents of captioned drawn clips from noisy ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...synthetic.captioned import SIZE, draw_captioned
from ...synthetic.draws import Draws
from ...training.distributed import World
from ...training.precision import fast_products
from .latents import CHANNELS, FACTOR, thumbnail_latents
from .opposites import PROBE_SEED, opposite, told_apart
from .parts import new_scheduler

FRAMES = 16
ALONE = World()


@dataclass(frozen=True)
class DenoiserRecipe:
    """Numbers of the run.

    Args:
        clips: in a batch.
        pictures: in a batch of single frames.
        picture_steps: first steps, with single frames only: looks and words are learned soonest there.
        picture_every: of the later steps, each so many-th has single frames, so that these stay known.
        half_until: step up to which half of a clip is shown, eight frames on end.
        told: share of the captions that say the motion.
        untold: share of the captions that are empty, for guidance.
    """

    clips: int = 8
    pictures: int = 64
    picture_steps: int = 1000
    picture_every: int = 10
    half_until: int = 3000
    told: float = 0.6
    untold: float = 0.1

    def frames_at(self, step: int) -> int:
        """Frames of a clip in the batch of that step: 1, 8 or 16."""
        if step < self.picture_steps or step % self.picture_every == self.picture_every - 1:
            return 1
        return FRAMES // 2 if step < self.half_until else FRAMES


class DenoiserObjective:
    """Error of the clean latent at a random noise level of each clip.

    Args:
        model: a `TinyBase`, or what stands for it.
        recipe: its numbers.
        seed: of clips and noise.
        world: the processes that share out each batch; which clips it has is the same for any number of them.
    """

    def __init__(self, model: nn.Module, recipe: DenoiserRecipe, seed: int = 0, world: World = ALONE) -> None:
        self.model, self.recipe, self.seed, self.world = model, recipe, seed, world
        self.kept = new_scheduler().alphas_cumprod  # [1000], share of the signal's power

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Losses of batch `number`: weighted, and the plain error in halves of the noise levels, little and much."""
        recipe, frames = self.recipe, self.recipe.frames_at(number)
        draws = Draws(1_000_003 * self.seed + number)
        count, own = recipe.pictures if frames == 1 else recipe.clips, slice(self.world.rank, None, self.world.size)
        first = int(draws.integers(0, FRAMES - frames + 1))
        clips = draw_captioned(count, draws, FRAMES).between(first, first + frames)
        told = draws.rand(count) < (0.0 if frames == 1 else recipe.told)
        empty = (draws.rand(count) < recipe.untold).tolist()
        captions = ["" if none else caption for caption, none in zip(clips.captions(told), empty, strict=True)][own]
        # Evenly spread over the levels in every batch.
        level = (torch.arange(count) + draws.rand(count)) / count
        step = (level * len(self.kept)).long().clamp_max(len(self.kept) - 1)[own]
        side = SIZE // FACTOR
        noise = draws.randn(count, CHANNELS, frames, side, side)[own]
        latents = thumbnail_latents(clips.some(own).rendered(2 * side, FACTOR // 2)).transpose(1, 2)
        kept = self.kept[step][:, None, None, None, None]
        found = cast(Tensor, self.model(kept.sqrt() * latents + (1 - kept).sqrt() * noise, step, captions))
        error = (found - latents).square().mean(dim=(1, 2, 3, 4))
        ratio = ((1 - kept) / kept).sqrt().flatten()
        little, much = error.detach().chunk(2)
        return {
            "loss": (error * (1.3 + 6 / (1 + ratio))).mean(),
            "error_little_noise": little.mean(),
            "error_much_noise": much.mean(),
        }


class Probe:
    """What the denoiser knows of motion, at little cost: its error under the right and under the opposite caption.

    Args:
        clips: drawn clips whose move has an opposite are chosen from so many.
        steps: noise levels.
    """

    def __init__(self, clips: int = 48, steps: tuple[int, ...] = (300, 500, 700, 850)) -> None:
        drawn = draw_captioned(clips, Draws(PROBE_SEED), FRAMES)
        latents = thumbnail_latents(drawn.rendered(2 * SIZE // FACTOR, FACTOR // 2)).transpose(1, 2)
        captions = drawn.captions()
        chosen = [k for k, caption in enumerate(captions) if opposite(caption) != caption]
        self.latents = latents[chosen]
        self.captions = [captions[k] for k in chosen]
        self.steps, self.kept = steps, new_scheduler().alphas_cumprod

    def __call__(self, done: int, model: nn.Module) -> dict[str, float]:
        """See `told_apart`."""
        base: Any = model
        with torch.no_grad(), fast_products("cpu"):
            texts = [base.embedded(words) for words in (self.captions, [opposite(text) for text in self.captions])]

        def clean(noisy: Tensor, step: int, turned: bool) -> Tensor:
            return cast(Tensor, base.unet(noisy, step, texts[turned]).sample.float())

        return told_apart(self.latents, self.kept, self.steps, clean)
