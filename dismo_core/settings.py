"""What a user sets for a sampling. A new setting is a field here, and touches whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


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
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int = 0
    guidance: float = 0.0
    strength: float = 1.0
    seed: int = 0

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
