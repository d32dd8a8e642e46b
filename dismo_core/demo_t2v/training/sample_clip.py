"""A clip made by what is being trained, at each checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...text_to_video.clip_tokens import tokenize
from ...training.distributed import World
from ...video import write_video
from ..autoencoder import decode_frames
from ..clips import CLIP_FPS
from ..sampling import Conditioning, sample_ddim
from .demo_training import DemoTraining
from .kept_clips import KeptClip
from .motion_half import MotionHalf

GUIDANCE = 9.0  # published


@torch.no_grad()
def save_sample(
    half: MotionHalf,
    clip: KeptClip,
    negative: Tensor,
    autoencoder: Any,
    training: DemoTraining,
    path: Path,
    world: World,
) -> None:
    """A clip for the caption of one of the run's own, always from the same noise.

    Args:
        half: as it is now; it is in training mode again afterwards.
        clip: whose caption it is.
        negative: states of the negative prompt in the content encoder, [L, D].
        autoencoder: decodes it, where it lies.
        training: steps, size and length.
        path: MP4.
        world: where the network runs.
    """
    half.eval()
    try:
        tokens = tokenize([clip.caption, training.negative_prompt]).to(world.device)
        motion, led_away = half.motion_encoder(tokens).split(1)
        positive = Conditioning(clip.text[None].to(world.device), motion)
        noise = torch.randn(clip.mean.shape, generator=torch.Generator().manual_seed(training.seed))[None]
        latents = sample_ddim(
            half.unet, noise.to(world.device), positive, Conditioning(negative[None].to(world.device), led_away),
            steps=training.sample_steps, guidance=GUIDANCE, betas=half.unet.betas, together=False,
        )  # fmt: skip
    finally:
        half.train()
    write_video(path, decode_frames(autoencoder, latents.to(autoencoder.device), 1)[0], CLIP_FPS, overwrite=True)
