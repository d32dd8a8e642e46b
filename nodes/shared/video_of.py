"""ComfyUI's VIDEO from frames."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from comfy_api.latest import InputImpl, Types
from torch import Tensor


def video_of(frames: Tensor, fps: float | Fraction, audio: Any = None) -> Any:
    """A VIDEO of frames [F,H,W,3], 0..1.

    Args:
        fps: a float is taken for the nearest fraction that video files hold.
        audio: ComfyUI's AUDIO, or none.
    """
    rate = fps if isinstance(fps, Fraction) else Fraction(fps).limit_denominator(1001)
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, frame_rate=rate, audio=audio))
