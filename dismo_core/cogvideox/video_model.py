"""The CogVideoX adapter as a `MotionVideoModel`: any length, progress with previews, cancel, memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..transfer import SamplingDefaults
from ..video.picture import check_picture
from .adapter import CogVideoXMotionAdapter
from .checks import require_steps
from .colours import Colours, match_colours
from .memory import MemoryPlan, cogvideox_parts
from .positions import Positions, require_positions
from .preview import preview
from .sampling import NEGATIVE_PROMPT
from .segments import plan_segments, possible_lengths

if TYPE_CHECKING:
    from ..motion import Motion
    from ..runtime import Runtime

log = logging.getLogger(__name__)


class CogVideoXModel:
    """A `MotionVideoModel` around a `CogVideoXMotionAdapter`.

    Where the parts lie is the choice of `adapter.plan`; without one, `transfer` makes one with memory "auto".

    Args:
        adapter: with its weights.
        positions: additive table of the base, see `PositionTables`.
        keep_tail: of chained segments, see `plan_segments`.
        match_colours: bring every segment of a video back to the colours of the picture.
    """

    def __init__(
        self,
        adapter: CogVideoXMotionAdapter,
        *,
        positions: Positions = "auto",
        keep_tail: bool = False,
        match_colours: bool = False,
    ) -> None:
        require_positions(positions)
        self.adapter = adapter
        self.positions = positions
        self.keep_tail = keep_tail
        self.match_colours = match_colours
        self.extractor_id = adapter.extractor_id
        self.defaults = SamplingDefaults(
            steps=50, guidance=6.0, negative_prompt=NEGATIVE_PROMPT, fps=8.0, size=adapter.size, antialias=False
        )

    def valid_lengths(self, motion: Motion) -> list[int]:
        """9, 17, 25, 33, 41, 49 and any number above, as far as the motion goes; one go was trained at 25 only."""
        return possible_lengths(motion.frames, self._longest)

    def transfer(
        self,
        motion: Motion,
        image: Tensor,
        *,
        prompt: str = "",
        negative_prompt: str = "",
        steps: int = 0,
        guidance: float = 0.0,
        strength: float = 1.0,
        seed: int = 0,
        runtime: Runtime,
    ) -> Tensor:
        """See `MotionVideoModel.transfer`.

        An empty prompt means no prompt, and a guidance of 1. The random numbers are drawn on the CPU, so a seed stands for
        the same noise on every device. The plan's device is where it runs.

        Raises:
            DisMoError: another extractor, a length or a number of steps that cannot be made, a picture that does not fit,
                or NaN after any stage.
        """
        motion.require_extractor(self.extractor_id)
        check_picture(image, self.defaults.size)
        segments = plan_segments(motion.frames, self._longest, self.keep_tail)
        steps = steps or self.defaults.steps
        require_steps(steps, strict=True)
        guidance = guidance or self.defaults.guidance
        if not prompt.strip():
            log.info("The prompt is empty: no prompt, and a guidance of 1.")
        self._make_room(segments[0].length, runtime)
        generator = torch.Generator().manual_seed(seed % 2**63)
        colours, source = Colours.of(image), image.cpu()
        pieces: list[Tensor] = []
        for index, segment in enumerate(segments):

            def progress(done: int, _: int, latents: Tensor, before: int = index * steps) -> None:
                runtime.progress(before + done, len(segments) * steps, preview(latents))

            with checking(self.adapter, runtime.check_cancel):
                made = self.adapter.sample(
                    motions=[motion.trimmed(segment.length, segment.start)],
                    images=[source * 2 - 1],
                    prompts=prompt if prompt.strip() else None,
                    negative_prompt=negative_prompt.strip() or None,
                    num_frames=segment.length,
                    n_steps=steps,
                    text_guidance_scale=guidance,
                    strength=strength,
                    generator=generator,
                    positions=self.positions,
                    progress=progress,
                )[0][: segment.kept.stop]
            if len(segments) > 1:
                drift = Colours.of(made[-1]).drift_from(colours)
                log.info("Segment %d of %d: its last frame against the picture: %s.", index + 1, len(segments), drift)
            if self.match_colours:
                made = match_colours(made, colours)
            pieces.append(made[segment.kept])
            source = made[-1].float() / 255
        return torch.cat(pieces)

    @property
    def _longest(self) -> int:
        return int(self.adapter.base.transformer.config["sample_frames"])

    def _make_room(self, frames: int, runtime: Runtime) -> None:
        """Let the plan reckon with this many frames, and ask the host for the memory it needs."""
        base, plan = self.adapter.base, self.adapter.plan
        if plan is None:
            plan = self.adapter.plan = MemoryPlan({}, runtime.device)
        extractor = self.adapter.motion_extractor if "motion_extractor" in plan.parts else None
        if (parts := cogvideox_parts(base, frames, extractor)) != plan.parts:
            plan.release()
            plan.parts = parts
        runtime.free_memory(max(0, plan.bytes_wanted() - plan.bytes_on_device()))


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
