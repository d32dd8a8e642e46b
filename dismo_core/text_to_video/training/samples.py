"""Clips out of a tiny base in training, for its gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import DisMoError
from ...training.checkpoint import latest_checkpoint
from .autoencoder import new_autoencoder
from .denoiser import FRAMES
from .latents import CHANNELS, FACTOR, thumbnail_latents
from .parts import TinyBase, new_scheduler

AT_ONCE = 16  # clips


def checkpointed(folder: Path) -> tuple[TinyBase, Any, int]:
    """Both models of a run, averaged weights of their newest checkpoints, and the denoiser's step.

    Args:
        folder: of `train_tiny`, with `autoencoder/` and `denoiser/`.
    """
    base, autoencoder = TinyBase(folder / "tokenizer"), new_autoencoder().eval()
    steps = []
    for model, name in ((autoencoder, "autoencoder"), (base, "denoiser")):
        state = latest_checkpoint(folder / name)
        if state is None:
            raise DisMoError(f"{folder / name} holds no checkpoint. Train first, or name the folder of a run.")
        averaged = {key.removeprefix("module."): value for key, value in state["averaged"].items() if "." in key}
        model.load_state_dict(state["model"] | averaged)
        steps.append(int(state["step"]))
    return base, autoencoder, steps[1]


@torch.no_grad()
def sample_latents(
    base: TinyBase, captions: Sequence[str], seed: int, steps: int = 25, guidance: float = 1.0
) -> Tensor:
    """Latents [B, 12, 16, 8, 8] by DDIM; with a guidance above 1 the empty caption is what is led away from."""
    scheduler = new_scheduler()
    noise = torch.Generator().manual_seed(seed)
    made = []
    for start in range(0, len(captions), AT_ONCE):
        part = list(captions[start : start + AT_ONCE])
        text, empty = base.embedded(part), base.embedded([""] * len(part))
        side = int(base.unet.config["sample_size"])
        x = torch.randn(len(part), CHANNELS, FRAMES, side, side, generator=noise)
        scheduler.set_timesteps(steps)
        for step in scheduler.timesteps:
            with torch.autocast("cpu", torch.bfloat16):
                if guidance > 1:
                    both: Tensor = base.unet(torch.cat((x, x)), step, torch.cat((empty, text))).sample.float()
                    without, with_text = both.chunk(2)
                    found = without.lerp(with_text, guidance)
                else:
                    found = base.unet(x, step, text).sample.float()
            x = scheduler.step(found, step, x).prev_sample
        made.append(x)
    return torch.cat(made)


@torch.no_grad()
def decoded(autoencoder: Any, latents: Tensor) -> Tensor:
    """Frames [B, N, 64, 64, 3] in -1..1 of latents [B, 12, N, 8, 8]."""
    clips = [autoencoder.decode(clip.transpose(0, 1)).sample for clip in latents]
    return torch.stack(clips).clamp(-1, 1).movedim(2, -1)


@torch.no_grad()
def encoded(autoencoder: Any, frames: Tensor) -> Tensor:
    """The inverse, the middle of what the encoder gives."""
    clips = [autoencoder.encode(clip.movedim(-1, 1)).latent_dist.mean for clip in frames]
    return torch.stack(clips).transpose(1, 2)


def known_latents(frames: Tensor) -> Tensor:
    """What the encoder is trained towards, of frames [B, N, 64, 64, 3]."""
    width = FACTOR // 2
    blocks = frames.unflatten(-3, (-1, width)).unflatten(-2, (-1, width))
    return thumbnail_latents(blocks.mean(dim=(-4, -2))).transpose(1, 2)
