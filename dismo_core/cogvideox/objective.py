"""The base's training objective, with whatever was added to it (docs/methods/dismo.md, 7.8)."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import CogVideoXBase
from .checks import TRAIN_STEPS
from .sampling import encode, in_first_frame, make_scheduler, rotary_positions

NOISE_LEVEL = (-3.0, 0.5)  # mean and standard deviation of the logarithm of the strength of noise on the first frame


def denoising_loss(base: CogVideoXBase, videos: Tensor, text: Tensor, generator: torch.Generator | None) -> Tensor:
    """Mean squared error on the velocity, per video, [B].

    The published loss, on the clean latents with weight 1 / (1 - alpha_bar), is the same number.
    Draws, in order: VAE posterior of the videos, times, noise, strength of the picture's noise, that noise, its posterior.

    Args:
        videos: [B,T,H,W,3], -1..1, where the model runs and in its dtype.
        text: [B,tokens,width].
        generator: for all draws; None = PyTorch's own.
    """
    scheduler = make_scheduler(base.scheduler_config)
    channels_first = videos.movedim(-1, 1)

    def normal_like(x: Tensor) -> Tensor:
        # In the memory order of x, as randn_like draws: the numbers depend on it.
        return torch.empty_like(x).normal_(generator=generator)

    with torch.no_grad():
        clean = encode(base, videos, generator)
        t = torch.randint(0, TRAIN_STEPS, (len(videos),), generator=generator, device=videos.device)
        noise = normal_like(clean)
        level = (
            torch.empty(1, device=videos.device, dtype=videos.dtype).normal_(*NOISE_LEVEL, generator=generator).exp()
        )
        first = channels_first[:, :, :1]
        picture = encode(base, (first + level * normal_like(first)).movedim(1, -1), generator)
        noisy = scheduler.add_noise(clean, noise, t)
        target = scheduler.get_velocity(clean, noise, t)
    out: Tensor = base.transformer(
        hidden_states=torch.cat((noisy, in_first_frame(picture, clean.shape[1])), dim=2),
        encoder_hidden_states=text,
        timestep=t,
        image_rotary_emb=rotary_positions(base.transformer, clean.shape[1], videos.device),
        return_dict=False,
    )[0]
    loss: Tensor = (out.float() - target.float()).square().flatten(1).mean(dim=1)
    return loss
