"""Batches of a training of DEMO, by their number."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from ...data.epochs import check_skipped, epoch_order
from ...data.frames import Unusable
from ...text_to_video.clip_tokens import end_of_text, tokenize
from ...training.distributed import World
from ..losses import Flow
from ..noise_levels import LEVELS
from .demo_training import DemoTraining
from .kept_clips import Clips, KeptClip
from .motion_half import Batch

log = logging.getLogger(__name__)
ALONE = World()


class MotionBatches:
    """The losses of a batch, by its number; what is drawn for a sample follows from the sample's number, in any number of processes.

    Only what dropout leaves out differs with the number of processes.

    Args:
        half: what is trained, or what wraps it.
        clips: to learn from.
        negative: states of the negative prompt in the content encoder, [L, D].
        training: numbers of the run.
        flow: for the text-motion loss; None = without it.
        world: the processes that share out each batch.
    """

    def __init__(
        self,
        half: nn.Module,
        clips: Clips,
        negative: Tensor,
        training: DemoTraining,
        flow: Flow | None = None,
        world: World = ALONE,
    ) -> None:
        self.half, self.clips, self.negative, self.training = half, clips, negative.cpu(), training
        self.flow, self.world = flow, world

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Losses of batch `number`."""
        training = self.training
        size = training.batch * self.world.size
        samples = [self._sample(number * size + k) for k in range(self.world.rank, size, self.world.size)]
        columns: list[Any] = [
            torch.stack(column).to(self.world.device) if column[0] is not None else None
            for column in zip(*samples, strict=True)
        ]
        torch.manual_seed(number * self.world.size + self.world.rank)  # no two processes drop out alike
        losses: dict[str, Tensor] = self.half(
            Batch(*columns),
            training.weights,
            self.flow,
            training.video_motion,
            training.text_motion_gradient,
            training.diffusion,
        )
        return losses

    def _sample(self, number: int) -> tuple[Any, ...]:
        """One sample of the run, as the fields of `Batch` without the first dimension."""
        training = self.training
        generator = torch.Generator().manual_seed((training.seed + 1) * 1_000_000_007 + number)
        clip = self._drawn(number, generator)
        channels, frames, *cells = clip.mean.shape
        posterior = torch.randn((frames, channels, *cells), generator=generator).transpose(0, 1)
        latents = clip.mean + clip.deviation * posterior
        t = torch.randint(training.lowest_level, LEVELS, (), generator=generator)
        zero, zero_motion = (
            torch.rand(2, generator=generator) < torch.tensor([training.p_zero, training.p_zero_motion])
        ).tolist()
        noise = torch.randn(latents.shape, generator=generator)
        content = self.negative if zero else clip.text
        tokens = tokenize([training.negative_prompt if zero_motion else clip.caption])
        video = None if self.flow is None else clip.video
        return latents, t, noise, content, tokens[0], end_of_text(tokens)[0], video, clip.image

    def _drawn(self, number: int, generator: torch.Generator) -> KeptClip:
        """The clip of a sample; the next video stands in for one that cannot be used."""
        epoch, place = divmod(number, len(self.clips))
        order = epoch_order(self.training.seed, epoch, len(self.clips))
        skipped: list[tuple[str, str]] = []
        while True:
            video = int(order[(place + len(skipped)) % len(order)])
            try:
                return self.clips.draw(video, generator)
            except Unusable as fault:
                log.warning("Left out: %s", fault)
                skipped.append((f"video {video}", fault.reason))
            check_skipped(skipped, len(order))
