"""MotionDirector: the motion of a few clips as a LoRA, their appearance kept apart (docs/methods/motiondirector.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..imports import lazily

if TYPE_CHECKING:
    from ..text_to_video.single_frame import single_frame_bypass
    from .adapter_file import find_adapter
    from .dual_path import DualPathLoRA
    from .frames import bucket_size, chunk_indices, clip_indices, folder_indices, resize_frames
    from .losses import StepDraws, draw_step, dual_path_losses, motion_loss

__all__ = [
    "DualPathLoRA",
    "StepDraws",
    "bucket_size",
    "chunk_indices",
    "clip_indices",
    "draw_step",
    "dual_path_losses",
    "find_adapter",
    "folder_indices",
    "motion_loss",
    "resize_frames",
    "single_frame_bypass",
]

_LAZY = {
    "DualPathLoRA": ".dual_path",
    "StepDraws": ".losses",
    "bucket_size": ".frames",
    "chunk_indices": ".frames",
    "clip_indices": ".frames",
    "draw_step": ".losses",
    "dual_path_losses": ".losses",
    "find_adapter": ".adapter_file",
    "folder_indices": ".frames",
    "motion_loss": ".losses",
    "resize_frames": ".frames",
    "single_frame_bypass": "..text_to_video.single_frame",
}


__getattr__ = lazily(__name__, _LAZY)
