"""Motions of drawn clips, learned and put on other prompts: what the gate of the tiny base and its numbers are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .cache import encoded_clip
from .clips import Size, given_clip
from .dual_path import DualPathLoRA
from .sampling import VideoSettings, sample_videos
from .training import TrainingSettings, train_adapters

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

Make = Callable[[Sequence[str], int], Tensor]  # captions and a seed -> frames [B, N, H, W, 3] in -1..1


def learn_drawn(
    base: TextToVideoBase, frames: Tensor, caption: str, settings: TrainingSettings, folder: Path
) -> dict[str, Path]:
    """Adapters of one clip.

    Args:
        base: that they are for.
        frames: of the clip, [N, H, W, 3] in -1..1.
        caption: of the clip.
        settings: of the training.
        folder: see `train_adapters`, which also says what is returned.
    """
    height, width = frames.shape[1:3]
    clip = encoded_clip(base, given_clip("drawn", caption, pixels(frames)), Size(width, height))
    return train_adapters(base, [clip], settings, folder)


def sampler(
    base: TextToVideoBase,
    settings: VideoSettings,
    *,
    motion: Path | None = None,
    appearance: Path | None = None,
    scale: float = 1.0,
) -> Make:
    """What makes a video of each caption, with adapters or without; the i-th from the noise of seed + i, with or without them.

    Args:
        base: without adapters.
        settings: of all videos; prompt and seed are put in.
        motion: file of a motion adapter.
        appearance: file of appearance adapters.
        scale: of both.
    """

    def make(captions: Sequence[str], seed: int) -> Tensor:
        lora: DualPathLoRA | None = None
        if motion is not None or appearance is not None:
            lora = DualPathLoRA.from_files(base.unet, motion=motion, appearance=appearance)
            lora.set_scales(
                motion=scale if lora.has_motion else None, appearance=scale if lora.appearances else None
            )  # fmt: skip
        try:
            made = [
                sample_videos(base, replace(settings, prompt=caption, seed=seed + i), lora)[0]
                for i, caption in enumerate(captions)
            ]
        finally:
            if lora is not None:
                lora.remove()
        return torch.stack(made).float() / 127.5 - 1

    return make


def pixels(frames: Tensor) -> Tensor:
    """-1..1 -> uint8."""
    return ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
