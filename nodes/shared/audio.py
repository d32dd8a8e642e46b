"""ComfyUI's AUDIO: `{"waveform": [B, channels, samples], "sample_rate": int}`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.video import Audio


def cut(audio: Input.Audio | None, seconds: Fraction) -> Input.Audio | None:
    """The first `seconds` of a sound; a shorter one stays as it is."""
    if audio is None:
        return None
    samples = math.ceil(seconds * audio["sample_rate"])
    return {**audio, "waveform": audio["waveform"][..., :samples]}


def to_audio(audio: Input.Audio | None) -> Audio | None:
    """The first sound of a batch, as `dismo_core.write_video` takes it."""
    from ...dismo_core.video import Audio

    return None if audio is None else Audio(audio["waveform"][0].float().cpu(), int(audio["sample_rate"]))
