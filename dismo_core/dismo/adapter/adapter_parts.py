"""The parts of CogVideoX with the motion adapter, for a memory plan."""

from __future__ import annotations

from ...cogvideox.base import CogVideoXBase
from ...cogvideox.parts import cogvideox_parts
from ...memory.plan import Part
from ..models.extractor import MotionExtractor

WINDOWS = 8  # that the extractor reads at a time


def adapter_parts(base: CogVideoXBase, frames: int, motion_extractor: MotionExtractor | None = None) -> dict[str, Part]:
    """`cogvideox_parts`, and "motion_extractor" where the plan is to move that, too.

    Args:
        base: with whatever was added to its transformer.
        frames: of the video.
        motion_extractor: of the adapter.
    """
    parts = cogvideox_parts(base, frames)
    if motion_extractor is not None:
        tokens = motion_extractor.window * motion_extractor.frame_encoder.side**2
        query = motion_extractor.query_tokens
        parts["motion_extractor"] = Part(
            motion_extractor, None, 24 * WINDOWS * tokens * query.shape[-1] * query.dtype.itemsize
        )
    return parts
