"""Video from the frame generator: roll out from a picture with the motion of a clip (docs/methods/dismo.md, 5)."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ..diffusion.finite import require_finite
from ..errors import DisMoError
from ..settings import SamplingDefaults, SamplingSettings
from ..video.picture import check_picture, to_uint8
from .models.generator import FrameGenerator
from .models.space_to_depth import SpaceToDepth
from .motion import LOOK_AHEAD, Motion
from .video_model import leave_mask_unused, only_picture

if TYPE_CHECKING:
    from ..runtime import Runtime

log = logging.getLogger(__name__)

PIXEL_STEPS = 3  # on pixels fewer are blurred, more go astray (benchmarks/RESULTS.md)
LATENT_STEPS = 50  # as published
MAX_STEPS = 1000
PIXEL_GUIDANCE = 1.15  # more goes further and is sharper, and loses pans (benchmarks/RESULTS.md)
MAX_GUIDANCE = 10
STRIDE = 4  # frames made from one source frame: the gaps the generator was trained with


class FrameGeneratorModel:
    """A `MotionVideoModel` around a `FrameGenerator`.

    From frame s of the result the next `STRIDE` frames are made in one batch with the embedding of frame s and gaps 1..4; the
    last of them is the next source. Four times fewer steps of drift than going frame by frame.

    Args:
        generator: as loaded by `load_frame_generator`.
        size: (height, width) of its frames, px; None = those it was trained at.
        stride: frames made from one source, 1..4.
        motion_guidance: how far to go away from what the model would make of the picture held still; 1 = not, at half the
            cost. None = what was measured best on pixels, 1 on latents. A motion that holds no still embedding gets none.
    """

    def __init__(
        self,
        generator: FrameGenerator,
        size: tuple[int, int] | None = None,
        stride: int = STRIDE,
        motion_guidance: float | None = None,
    ) -> None:
        self.generator = generator
        self.extractor_id = generator.extractor_id
        self.stride = stride
        pixels = isinstance(generator.autoencoder, SpaceToDepth)
        steps = PIXEL_STEPS if pixels else LATENT_STEPS
        if motion_guidance is None:
            motion_guidance = PIXEL_GUIDANCE if pixels else 1.0
        if not 0 <= motion_guidance <= MAX_GUIDANCE:
            raise DisMoError(
                f"motion_guidance must be 0 to {MAX_GUIDANCE} (1 = none; a little above it goes further), not {motion_guidance}."
            )
        self.motion_guidance = motion_guidance
        self.size = size = size or generator.size
        self.defaults = SamplingDefaults(steps=steps, guidance=1.0, negative_prompt="", fps=8.0, size=size)

    def valid_lengths(self, motion: Motion) -> list[int]:
        """Any length from 5 frames to all of the motion's."""
        return list(range(LOOK_AHEAD + 1, motion.frames + 1))

    def output_fps(self, motion: Motion) -> float:
        """That of the motion."""
        return motion.fps

    @torch.no_grad()
    def transfer(
        self,
        motion: Motion,
        image: Tensor,
        settings: SamplingSettings | None = None,
        *,
        mask: Tensor | None = None,
        runtime: Runtime,
        **keywords: Any,
    ) -> Tensor:
        """See `MotionVideoModel.transfer`. There is no text in this model: prompts and guidance change nothing."""
        settings = SamplingSettings.of(settings, keywords)
        leave_mask_unused(mask, "frame generator")
        motion.require_extractor(self.extractor_id)
        if (settings.start_percent, settings.end_percent) != (0, 1):
            log.warning(
                "start_percent and end_percent change nothing: the frame generator follows the motion in all of its few steps."
            )
        steps = settings.steps or self.defaults.steps
        image = only_picture(image, "frame generator")
        check_picture(image, self.size)
        if not 1 <= steps <= MAX_STEPS:
            raise DisMoError(
                f"steps must be 1 to {MAX_STEPS} (0 = the model's own {self.defaults.steps}), not {steps}."
            )
        device = runtime.device
        generator = self.generator.to(device)
        embeddings = motion.scaled(settings.strengths(motion.frames)).embeddings.to(device, generator.dtype)
        still = None
        if motion.still is not None and self.motion_guidance != 1:
            still = motion.still.to(device, generator.dtype)
        # The last embedding belongs to the fifth frame from the end: its stride makes the last four.
        starts = [*range(0, len(embeddings) - 1, self.stride), len(embeddings) - 1]
        strides = list(zip(starts, [*starts[1:], motion.frames - 1], strict=True))
        total = len(strides) * steps
        source = (image.to(device, torch.float32) * 2 - 1)[None]
        shape = generator.encode(source).shape
        rng = torch.Generator().manual_seed(settings.seed % 2**63)
        made = source
        frames = [to_uint8(source)]
        for index, (start, end) in enumerate(strides):
            count = end - start
            gap = torch.arange(1, count + 1, device=device).float()
            conditions = generator.conditions(made[-1:], embeddings[start].expand(count, -1), gap)
            require_finite(conditions.source, "encoding the picture")
            require_finite(conditions.motion, "encoding the motion")
            away_from = None
            if still is not None:
                away_from = replace(conditions, motion=generator.motion_condition(still.expand(count, -1), gap))
            sample = partial(
                generator.sample_latents, conditions=conditions, away_from=away_from, guidance=self.motion_guidance
            )

            preview = Image.fromarray(frames[-1][-1].numpy())

            def step(done: int, _: int, index: int = index, preview: Image.Image = preview) -> None:
                runtime.progress(index * steps + done, total, preview)

            # One noise for the frames of a stride, so that they agree; another for the next: one that stood still would be
            # carried into the frames and from there be taken for something that stands still.
            noise = torch.randn(shape, generator=rng).to(device, generator.dtype).expand(count, -1, -1, -1)
            latents = sample(noise, steps=steps, progress=step)
            if steps == 1:  # the mean of what can follow; what the noise leaves in it is odd in the noise and cancels
                runtime.check_cancel()
                latents = (latents + sample(-noise, steps=steps)) / 2
            made = generator.decode(require_finite(latents, "generation")).float()
            made = require_finite(made, "decoding").clamp(-1, 1)
            frames.append(to_uint8(made))
        return torch.cat(frames)
