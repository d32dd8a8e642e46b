"""Denoising with the base, and whatever was added to it (docs/methods/dismo.md, 7.6)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion.finite import require_finite
from ..imports import importing
from .base import CogVideoXBase

Progress = Callable[[int, int, Tensor], None]  # steps done, steps in all, clean latents as guessed [B,K,C,h,w]
Using = Callable[[str], AbstractContextManager[object]]  # makes a part of the base ready to run, by name


def make_scheduler(config: dict[str, Any]) -> Any:
    """The DPM solver of CogVideoX with the base's stored numbers, whichever class the base names."""
    with importing("diffusers"):
        from diffusers import CogVideoXDPMScheduler

    return CogVideoXDPMScheduler.from_config(config)


def rotary_positions(transformer: Any, latent_frames: int, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Rotary tables of the image tokens on their integer grid (frame, row, column); None for a base without."""
    with importing("diffusers"):
        from diffusers.models.embeddings import get_3d_rotary_pos_embed

    config = transformer.config
    if not config.use_rotary_positional_embeddings:
        return None
    grid = (config.sample_height // config.patch_size, config.sample_width // config.patch_size)
    cos, sin = get_3d_rotary_pos_embed(
        config.attention_head_dim, ((0, 0), grid), grid, temporal_size=latent_frames, device=device
    )
    return cos, sin


@dataclass
class Guidance:
    """Text guidance: v = v_neg + scale (v_pos - v_neg).

    Args:
        prompt: embedding [1, tokens, width].
        negative: likewise; None = no guidance.
        scale: of the guidance.
        one_by_one: run the branches one after the other: half the activations, the same numbers.
    """

    prompt: Tensor
    negative: Tensor | None
    scale: float
    one_by_one: bool = False

    def velocity(self, transformer: Any, x: Tensor, t: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
        """Guided velocity [1,K,C,h,w] in float32 at x [1,K,2C,h,w] (latents and picture) and time step t [1]."""

        def predict(branch: str, text: Tensor) -> Tensor:
            count = len(text)
            with transformer.cache_context(branch):
                out: Tensor = transformer(
                    hidden_states=x.expand(count, -1, -1, -1, -1),
                    encoder_hidden_states=text,
                    timestep=t.expand(count),
                    image_rotary_emb=rotary,
                    return_dict=False,
                )[0]
            return out.float()

        if self.negative is None:
            return predict("cond", self.prompt)
        if self.one_by_one:
            negative, positive = predict("uncond", self.negative), predict("cond", self.prompt)
        else:
            negative, positive = predict("cond_uncond", torch.cat((self.negative, self.prompt))).chunk(2)
        return negative + self.scale * (positive - negative)


def denoise(
    transformer: Any,
    scheduler: Any,
    latents: Tensor,
    picture: Tensor,
    guidance: Guidance,
    steps: int,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
    before_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Latents from noise; nothing in the loop waits for the device.

    Args:
        latents: noise [1,K,C,h,w].
        picture: latents of the first frame in the same shape, zeros elsewhere.
        steps: of the solver.
        generator: draws the solver's noise.
        progress: called after each step; what it raises passes through.
        before_step: called before each step with its number, from 0.

    Returns:
        [1,K,C,h,w], in the dtype of the noise.
    """
    device, dtype = latents.device, latents.dtype
    rotary = rotary_positions(transformer, latents.shape[1], device)
    scheduler.set_timesteps(steps)
    on_device = scheduler.timesteps.to(device)
    times: list[int] = scheduler.timesteps.tolist()
    clean: Tensor | None = None
    try:
        for i, t in enumerate(times):
            before_step(i)
            x = torch.cat((latents, picture), dim=2)
            velocity = guidance.velocity(transformer, x, on_device[i : i + 1], rotary)
            back = times[i - 1] if i else None
            latents, clean = scheduler.step(velocity, clean, t, back, latents, generator=generator)
            latents = latents.to(dtype)
            if progress is not None:
                progress(i + 1, steps, clean)
    finally:
        # A step cache of diffusers must not reach into the next video; the name is diffusers' own affair and may go.
        getattr(transformer, "_reset_stateful_cache", lambda: None)()
    return latents


def sample_video(
    base: CogVideoXBase,
    picture: Tensor,
    frames: int,
    guidance: Guidance,
    steps: int,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
    using: Using = nullcontext,
    stage: Callable[[str], None] = lambda label: None,
    before_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """One video from noise; draws, in order: VAE posterior of the picture, noise, the solver's noise at every step.

    Args:
        picture: [H,W,3] in -1..1 of the base's size, where the model runs and in its dtype.
        frames: of the video.
        guidance: see `denoise`.
        steps: see `denoise`.
        generator: see `denoise`.
        progress: see `denoise`.
        using: makes the parts "transformer" and "vae" of the base ready to run.
        stage: called with what begins, see `Runtime`.
        before_step: see `denoise`.

    Returns:
        float32 [frames,H,W,3], -1..1, on the CPU.

    Raises:
        DisMoError: NaN after encoding the picture, denoising or decoding.
    """
    with importing("diffusers"):
        from diffusers.utils.torch_utils import randn_tensor

    stage("encoding the picture")
    with using("vae"):
        first = require_finite(encode(base, picture[None, None], generator), "encoding the picture")
    latent_frames = (frames - 1) // base.vae.config["temporal_compression_ratio"] + 1
    shape = (1, latent_frames, *first.shape[2:])
    noise = randn_tensor(shape, generator=generator, device=picture.device, dtype=picture.dtype)
    scheduler = make_scheduler(base.scheduler_config)
    first = in_first_frame(first, latent_frames)
    stage("denoising")
    with using("transformer"):
        latents = denoise(base.transformer, scheduler, noise, first, guidance, steps, generator, progress, before_step)
    require_finite(latents, "denoising")
    stage("decoding the video")
    with using("vae"):
        video = decode(base, latents)[0]
    require_finite(video, "decoding")
    return video.float().clamp(-1, 1).cpu()


def in_first_frame(latents: Tensor, latent_frames: int) -> Tensor:
    """A picture's latents [B,1,C,h,w] -> [B,latent_frames,C,h,w], zeros elsewhere."""
    return torch.cat((latents, latents.new_zeros(latents.shape).expand(-1, latent_frames - 1, -1, -1, -1)), dim=1)


def encode(base: CogVideoXBase, frames: Tensor, generator: torch.Generator | None) -> Tensor:
    """Frames [B,T,H,W,3] in -1..1 -> latents [B,K,C,h,w], a sample of the posterior, scaled."""
    latents: Tensor = base.vae.encode(frames.movedim(-1, 1)).latent_dist.sample(generator)
    scaled: Tensor = base.vae.config["scaling_factor"] * latents.transpose(1, 2)
    return scaled


def decode(base: CogVideoXBase, latents: Tensor) -> Tensor:
    """Latents [B,K,C,h,w] -> frames [B,T,H,W,3] in about -1..1."""
    frames: Tensor = base.vae.decode(latents.transpose(1, 2) / base.vae.config["scaling_factor"]).sample
    return frames.movedim(1, -1)
