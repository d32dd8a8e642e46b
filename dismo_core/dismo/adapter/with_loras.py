"""Ordinary LoRAs (style, character) beside the motion adapter, while a video is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...diffusion.per_segment import PerSegment
from ...errors import DisMoError
from ...lora.plain import set_strengths, set_video_loras

if TYPE_CHECKING:
    from torch import Tensor

    from ...runtime import Runtime
    from ...settings import SamplingSettings
    from ..motion import Motion
    from .cogvideox_model import CogVideoXModel

STRONGEST = 10.0


def read_strengths(text: str) -> PerSegment:
    """The strength of a LoRA, or one for each segment of a long video: "1", "1 | 0.5", "0s: 1 | 4s: 0".

    Raises:
        DisMoError: what is no number from -10 to 10, or what `PerSegment.read` refuses.
    """
    found = PerSegment.read(text)
    for value in found.values:
        try:
            if not abs(float(value)) <= STRONGEST:
                raise ValueError
        except ValueError:
            raise DisMoError(
                f"{value.strip()[:40]!r} is no strength of a LoRA. Give numbers from {-STRONGEST:g} to {STRONGEST:g}, one for each "
                "segment: '1 | 0.5', or by the second: '0s: 1 | 4s: 0'."
            ) from None
    return found


class WithLoRAs:
    """A `MotionVideoModel` that puts LoRAs into a shared CogVideoX model while it runs, and takes them away again.

    So whoever shares the model, and later runs without LoRAs, find it as it was.

    Args:
        model: shared.
        loras: safetensors file -> strengths from `read_strengths`, which add up.
    """

    def __init__(self, model: CogVideoXModel, loras: Mapping[str, Sequence[PerSegment]]) -> None:
        self.model, self.loras = model, loras
        self.extractor_id, self.defaults = model.extractor_id, model.defaults

    def valid_lengths(self, motion: Motion) -> list[int]:
        """As the model's."""
        return self.model.valid_lengths(motion)

    def output_fps(self, motion: Motion) -> float:
        """As the model's."""
        return self.model.output_fps(motion)

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
        """As the model's, with the LoRAs."""
        transformer = self.model.adapter.base.transformer
        try:
            self._release()
            set_video_loras(transformer, dict(zip(self.loras, self._strengths(0, 0.0), strict=True)))
            return self.model.transfer(
                motion,
                image,
                settings,
                mask=mask,
                runtime=runtime,
                before_segment=lambda segment, second: set_strengths(transformer, self._strengths(segment, second)),
                **keywords,
            )
        finally:
            self._release()
            set_video_loras(transformer, {})

    def _strengths(self, segment: int, second: float) -> list[float]:
        return [math.fsum(float(each.of(segment, second)) for each in given) for given in self.loras.values()]

    def _release(self) -> None:
        """Layers are changed where they lie at rest."""
        if self.model.adapter.plan is not None:
            self.model.adapter.plan.release()
