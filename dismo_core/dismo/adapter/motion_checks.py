"""What the adapter refuses of a motion before any work is done (docs/methods/dismo.md, 8)."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from ...errors import DisMoError
from ..motion import LOOK_AHEAD

log = logging.getLogger(__name__)

TRAINED_FRAMES = 25


def warn_of_length(frames: int) -> None:
    """Warn where the adapter was not trained at a length."""
    if frames != TRAINED_FRAMES:
        log.warning("The adapter was trained at %d frames only; %d is an experiment.", TRAINED_FRAMES, frames)


def require_motion_length(frames: int, num_frames: int) -> None:
    """Raise unless the motion and the video to generate have the same number of frames."""
    if frames != num_frames:
        raise DisMoError(
            f"The motion has {frames} frames, but {num_frames} are to be generated; the motion would fall on the wrong "
            f"frames. Extract {num_frames} frames of the clip, or generate {frames} (num_frames)."
        )


def require_embeddings(embeddings: Tensor, d_motion: int) -> None:
    """Raise unless embeddings are a finite float32 [P, d_motion]."""
    if embeddings.ndim != 2 or embeddings.shape[-1] != d_motion:
        raise DisMoError(
            f"Motion embeddings have the shape {list(embeddings.shape)}; expected [frames - {LOOK_AHEAD}, {d_motion}] per video. "
            "Use the extractor this adapter was trained with."
        )
    if embeddings.dtype != torch.float32:
        raise DisMoError(f"Motion embeddings are {embeddings.dtype}; expected float32. Convert them with .float().")
    if not bool(torch.isfinite(embeddings).all()):
        raise DisMoError("Motion embeddings hold NaN or infinite values. Extract the motion again in fp32.")
