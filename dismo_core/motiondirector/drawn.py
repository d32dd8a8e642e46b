"""Motions of drawn clips, learned and put on other prompts: what the gate of the tiny base and its numbers are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..diffusion.frame_vae import decode_frames, frame_posteriors
from ..runtime import Runtime
from ..synthetic.captioned import CaptionedClips, draw_captioned
from ..synthetic.draws import Draws
from .cache import CachedClip, encoded_clip
from .clips import Size, given_clip
from .dual_path import DualPathLoRA
from .sampling import VideoSettings, sample_videos
from .training import TrainingSettings, train_adapters

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

APPEARANCES = 77  # seed
Make = Callable[[Sequence[str], int], Tensor]  # captions and a seed -> frames [B, N, H, W, 3] in -1..1


def training_on_drawn(steps: int, clips: int, *, appearance: bool = False, seed: int = 0) -> TrainingSettings:
    """What teaches the tiny base a motion: as published of one clip; of several, the convolutions over frames as well.

    Args:
        steps: of the training, each with all clips.
        clips: of one motion, in different appearances.
        appearance: whether appearance adapters are trained beside; of one clip always.
        seed: of the training.
    """
    common = TrainingSettings(steps=steps, save_every=steps, checkpointing=False, seed=seed)
    if clips == 1:
        return common
    return replace(
        common, learning_rate=2e-3, convolutions=True, dropout=0.0, accumulation=clips, appearance=appearance
    )


def same_motion(clip: CaptionedClips, count: int) -> CaptionedClips:
    """Clips on the way of one clip, in other appearances; always the same ones."""
    return draw_captioned(count, Draws(APPEARANCES), clip.trajectory.place.shape[1]).moving_as(clip)


def learn_drawn(
    base: TextToVideoBase,
    clips: CaptionedClips,
    settings: TrainingSettings,
    folder: Path,
    runtime: Runtime | None = None,
    metadata: dict[str, str] | None = None,
) -> dict[str, Path]:
    """Adapters of drawn clips, each with the caption of its look.

    Args:
        base: that they are for.
        clips: one, or several of one motion.
        settings: of the training.
        folder: see `train_adapters`, which also says what is returned.
        runtime: stages and progress.
        metadata: texts for the adapters' files.
    """
    given = [
        replace(as_clip(base, frames, caption), name=f"drawn {number}")
        for number, (frames, caption) in enumerate(zip(clips.rendered(), clips.captions(False), strict=True))
    ]
    return train_adapters(base, given, settings, folder, runtime=runtime, metadata=metadata)


def sampler(
    base: TextToVideoBase,
    settings: VideoSettings,
    *,
    motion: Path | str | None = None,
    appearance: Path | str | None = None,
    scale: float = 1.0,
    inversion: Tensor | None = None,
) -> Make:
    """What makes a video of each caption, with adapters or without; the i-th from the noise of seed + i, with or without them.

    Args:
        base: without adapters.
        settings: of all videos; prompt and seed are put in.
        motion: file of a motion adapter, or the name of a bundled one.
        appearance: file of appearance adapters.
        scale: of both; an appearance of several adapters shares it.
        inversion: see `sample_videos`.
    """

    def make(captions: Sequence[str], seed: int) -> Tensor:
        lora: DualPathLoRA | None = None
        if motion is not None or appearance is not None:
            lora = DualPathLoRA.from_files(base.unet, motion=motion, appearance=appearance)
            lora.set_scales(
                motion=scale if lora.has_motion else None,
                appearance=scale / lora.appearances if lora.appearances else None,
            )
        try:
            made = [
                sample_videos(base, replace(settings, prompt=caption, seed=seed + i), lora, inversion=inversion)[0]
                for i, caption in enumerate(captions)
            ]
        finally:
            if lora is not None:
                lora.remove()
        return torch.stack(made).float() / 127.5 - 1

    return make


def as_clip(base: TextToVideoBase, frames: Tensor, caption: str) -> CachedClip:
    """A clip, frames [N, H, W, 3] in -1..1, as latents."""
    height, width = frames.shape[1:3]
    return encoded_clip(base, given_clip("drawn", caption, pixels(frames)), Size(width, height))


def through_vae(base: TextToVideoBase, frames: Tensor) -> Tensor:
    """Clips [B, N, H, W, 3] in -1..1, encoded and decoded."""
    with base.plan.using("vae") as vae:
        means, _ = frame_posteriors(vae, frames.movedim(-1, 2).to(base.device))
        return decode_frames(vae, means).float() / 127.5 - 1


def pixels(frames: Tensor) -> Tensor:
    """-1..1 -> uint8."""
    return ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
