"""The CogVideoX adapter as a `MotionVideoModel`: any length, progress with previews, cancel, memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...cogvideox.checks import require_steps, valid_lengths
from ...cogvideox.geometry import LATENT_COLORS
from ...cogvideox.positions import Positions, require_positions
from ...diffusion.color_drift import Colors, match_colors
from ...diffusion.per_segment import PerSegment
from ...diffusion.previews import latent_preview
from ...diffusion.segments import Segment, plan_segments, possible_lengths
from ...memory.plan import MemoryPlan
from ...settings import SamplingDefaults, SamplingSettings
from ...video.picture import check_picture, to_uint8
from ..motion import LOOK_AHEAD
from ..video_model import leave_mask_unused
from .adapter import NEGATIVE_PROMPT, CogVideoXMotionAdapter
from .adapter_parts import adapter_parts
from .motion_checks import TRAINED_FRAMES

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..motion import Motion

log = logging.getLogger(__name__)


class CogVideoXModel:
    """A `MotionVideoModel` around a `CogVideoXMotionAdapter`.

    Where the parts lie is the choice of `adapter.plan`; without one, `transfer` makes one with memory "auto".

    Args:
        adapter: with its weights.
        positions: additive table of the base, see `PositionTables`.
        keep_tail: follow a segment from its very last frame: 24 new frames instead of 20, four of them without motion. The last
            four frames of a segment carry a learned padding and no motion (docs/methods/dismo.md, 7.2), so by default they are made again.
        match_colors: bring every segment of a video back to the colors of the picture.
    """

    def __init__(
        self,
        adapter: CogVideoXMotionAdapter,
        *,
        positions: Positions = "auto",
        keep_tail: bool = False,
        match_colors: bool = False,
    ) -> None:
        require_positions(positions)
        self.adapter = adapter
        self.positions = positions
        self.keep_tail = keep_tail
        self.match_colors = match_colors
        self.extractor_id = adapter.extractor_id
        self.size: tuple[int, int] = adapter.size
        self.defaults = SamplingDefaults(
            steps=50, guidance=6.0, negative_prompt=NEGATIVE_PROMPT, fps=8.0, size=adapter.size, antialias=False
        )

    def valid_lengths(self, motion: Motion) -> list[int]:
        """9, 17, 25, 33, 41, 49 and any number above, as far as the motion goes; one go was trained at 25 only."""
        return possible_lengths(motion.frames, self._direct)

    def output_fps(self, motion: Motion) -> float:
        """That of the motion."""
        return motion.fps

    def transfer(
        self,
        motion: Motion,
        image: Tensor,
        settings: SamplingSettings | None = None,
        *,
        mask: Tensor | None = None,
        runtime: Runtime,
        before_segment: Callable[[int, float], None] = lambda segment, second: None,
        **keywords: Any,
    ) -> Tensor:
        """See `MotionVideoModel.transfer`.

        Prompt and negative prompt may hold one text for each segment, see `PerSegment.read`. Several pictures begin a segment
        each; later segments go on from the last of them. An empty prompt means no prompt, and a guidance of 1. The random
        numbers are drawn on the CPU, so a seed stands for the same noise on every device. The plan's device is where it runs.

        Args:
            motion: see there.
            image: see there.
            settings: see there.
            mask: see there.
            runtime: see there.
            before_segment: called with the number of each segment, from 0, and the second of the video in the middle of what it
                adds.
            keywords: see there.

        Raises:
            DisMoError: another extractor, a length or a number of steps that cannot be made, a picture that does not fit,
                or NaN after any stage.
        """
        settings = SamplingSettings.of(settings, keywords)
        leave_mask_unused(mask, "CogVideoX adapter")
        motion.require_extractor(self.extractor_id)
        pictures = image if image.ndim == 4 else image[None]
        for picture in pictures:
            check_picture(picture, self.size)
        settings.strengths(motion.frames)  # refuses a curve of another length
        segments = plan_segments(
            motion.frames, self._direct, min(TRAINED_FRAMES, self._direct[-1]), 0 if self.keep_tail else LOOK_AHEAD
        )
        settings = replace(
            settings,
            steps=settings.steps or self.defaults.steps,
            guidance=settings.guidance or self.defaults.guidance,
        )
        require_steps(settings.steps, strict=True)
        own_settings = _of_segments(settings, segments, motion.fps)
        if self.keep_tail and len(segments) == 1:
            log.info("The video is made in one segment: keeping the tail of segments changes nothing.")
        if len(pictures) > len(segments):
            log.warning(
                "The video has %d segments: of %d pictures the first ones begin them.", len(segments), len(pictures)
            )
        self._make_room(segments[0].length, runtime)
        generator = torch.Generator().manual_seed(settings.seed % 2**63)
        anchors = pictures[: len(segments)].cpu()
        source, pieces = anchors[0], []
        for index, segment in enumerate(segments):

            def progress(done: int, _: int, latents: Tensor, before: int = index * settings.steps) -> None:
                runtime.progress(
                    before + done,
                    len(segments) * settings.steps,
                    latent_preview(latents, LATENT_COLORS, self.size),
                )

            before_segment(index, segment.middle / motion.fps)
            kept = segment.kept
            if index < len(anchors):  # a picture of its own is the segment's first frame
                source, colors = anchors[index] * 2 - 1, Colors.of(anchors[index])
                kept = slice(0, kept.stop)
            if index + 1 < len(anchors):  # the next picture takes the place of the last frame
                kept = slice(kept.start, kept.stop - 1)
            with checking(self.adapter, runtime.check_cancel):
                made = self.adapter.sample_one(
                    motion.trimmed(segment.length, segment.start),
                    source,
                    own_settings[index],
                    generator=generator,
                    positions=self.positions,
                    progress=progress,
                    stage=runtime.stage,
                )[: kept.stop]
            if len(segments) > 1:
                drift = Colors.of((made[-1] + 1) / 2).drift_from(colors)
                log.info(
                    "Segment %d of %d, to second %.1f, %r: its last frame against the picture: %s.",
                    index + 1,
                    len(segments),
                    (segment.end - 1) / motion.fps,
                    own_settings[index].prompt[:60],
                    drift,
                )
            if self.match_colors:
                made = match_colors((made + 1) / 2, colors) * 2 - 1
            pieces.append(to_uint8(made[kept]))
            source = made[-1]
        return torch.cat(pieces)

    @property
    def _direct(self) -> list[int]:
        """Frame counts that the base makes in one go."""
        return valid_lengths(int(self.adapter.base.transformer.config["sample_frames"]))

    def _make_room(self, frames: int, runtime: Runtime) -> None:
        """Let the plan settle for this many frames and the memory that can be had, and ask the host for as much as it needs."""
        base, plan = self.adapter.base, self.adapter.plan
        if plan is None:
            plan = self.adapter.plan = MemoryPlan({}, runtime.device)
        extractor = self.adapter.motion_extractor if "motion_extractor" in plan.parts else None
        if (parts := adapter_parts(base, frames, extractor)) != plan.parts:
            plan.release()
            plan.parts = parts
        plan.make_room(runtime)


def _of_segments(settings: SamplingSettings, segments: Sequence[Segment], fps: float) -> list[SamplingSettings]:
    """The settings of each segment: its texts, and its part of the curve. Texts that none takes, and none at all, are said."""
    prompts, negatives = PerSegment.read(settings.prompt), PerSegment.read(settings.negative_prompt)
    each = [
        replace(
            settings,
            curve=settings.curve[segment.start : segment.start + segment.length],
            prompt=prompts.of(index, segment.middle / fps),
            negative_prompt=negatives.of(index, segment.middle / fps),
        )
        for index, segment in enumerate(segments)
    ]
    prompts.tell_unused({own.prompt for own in each}, "prompt")
    negatives.tell_unused({own.negative_prompt for own in each}, "negative prompt")
    if not all(own.prompt.strip() for own in each):
        log.info("The prompt is empty: no prompt, and a guidance of 1.")
    return each


@contextmanager
def checking(adapter: CogVideoXMotionAdapter, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every block of the transformer and the text encoder and every tile or piece of the VAE."""
    base = adapter.base
    modules: list[nn.Module] = [*base.transformer.transformer_blocks, base.vae.encoder, base.vae.decoder]
    if base.text_encoder is not None:
        modules += base.text_encoder.encoder.block

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        check()

    handles = [module.register_forward_pre_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
