"""What a user sets for a sampling. A new setting is a field here, and touches whoever reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from .errors import DisMoError

STRONGEST = 2.0  # of a curve, as everywhere a user sets a strength


@dataclass(frozen=True)
class SamplingSettings:
    """One sampling.

    Args:
        prompt: what the video shows; empty = no prompt, and a guidance of 1. Models without text ignore it.
        negative_prompt: what it should not show; empty = the model's own.
        steps: denoising steps; 0 = the model's own number.
        guidance: how closely to follow the prompt, 1 = not; 0 = the model's own.
        strength: 0 = as if nothing moved, 1 = as extracted, 2 = exaggerated.
        seed: any integer; the same seed gives the same frames.
        start_percent: share of the denoising steps before the motion begins to act, 0..1.
        end_percent: share of them after which it acts no more, 0..1.
        curve: factor on the strength at every frame of the motion, 0..2 each; empty = 1 throughout.

    Raises:
        DisMoError: shares of the steps that leave no range, or a curve with values that cannot be.
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int = 0
    guidance: float = 0.0
    strength: float = 1.0
    seed: int = 0
    start_percent: float = 0.0
    end_percent: float = 1.0
    curve: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.start_percent < self.end_percent <= 1:
            raise DisMoError(
                f"The motion cannot act from {self.start_percent:g} to {self.end_percent:g} of the steps: start_percent must be "
                "below end_percent, both 0 (first step) to 1 (last)."
            )
        for frame, value in enumerate(self.curve):
            if not (math.isfinite(value) and 0 <= value <= STRONGEST):
                raise DisMoError(
                    f"The strength {value:g} at frame {frame} of the curve cannot be: 0 (still) to {STRONGEST:g}."
                )

    def acts(self, step: int, steps: int) -> bool:
        """Whether the motion acts in this one of so many denoising steps; the first is 0."""
        return self.start_percent <= step / steps and (self.end_percent == 1 or step / steps < self.end_percent)

    def strengths(self, frames: int) -> list[float]:
        """The strength at every frame: that of the sampling times the curve.

        Raises:
            DisMoError: a curve for another number of frames.
        """
        if self.curve and len(self.curve) != frames:
            raise DisMoError(
                f"The curve has {len(self.curve)} values, the motion {frames} frames. Give one value for each frame."
            )
        return [self.strength * value for value in self.curve or (1.0,) * frames]

    @classmethod
    def of(cls, settings: SamplingSettings | None, keywords: dict[str, Any]) -> SamplingSettings:
        """`settings` (None = the defaults) with the fields that `keywords` name.

        Raises:
            TypeError: a keyword that is no field.
        """
        return replace(settings or cls(), **keywords)


@dataclass(frozen=True)
class SamplingDefaults:
    """A model's own settings, used where a caller asks for none.

    Args:
        steps: denoising steps.
        guidance: text guidance scale; 1 = none.
        negative_prompt: text.
        fps: frame rate of the frames it makes.
        size: (height, width) of the frames it makes, in pixels; None = those of the picture.
        antialias: whether a picture is smoothed where it is scaled down to that size.
    """

    steps: int
    guidance: float
    negative_prompt: str
    fps: float
    size: tuple[int, int] | None
    antialias: bool = True
