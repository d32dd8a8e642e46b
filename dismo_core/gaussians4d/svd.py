"""Stable Video Diffusion from a folder, and clips that it draws again from halfway (docs/methods/gaussians4d.md, 1.3 and 7.8).

After "Stable Video Diffusion" (Blattmann et al., 2023) by diffusers, and "SDEdit" (Meng et al., ICLR 2022) for the beginning halfway.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import DisMoError, first_line
from ..imports import importing

FPS, MOTION, NOISE = 7, 127, 0.02  # what the model is told of the clip, as published
STEPS, STRENGTH = 25, 0.7
AT_ONCE = 2  # frames that the VAE takes together
BYTES = 12_000_000_000  # weights in half precision, and the work of 14 frames of 512 px; an estimate


def load_svd(folder: str | os.PathLike[str], device: torch.device) -> Any:
    """diffusers' pipeline on a device: float32 on a CPU, else float16, as published. No network, no code of the folder.

    Raises:
        DisMoError: no such folder, or no Stable Video Diffusion in it.
    """
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise DisMoError(
            f"{folder} is no diffusers folder: it has no model_index.json. Give that of a Stable Video Diffusion, such as a download of "
            "stabilityai/stable-video-diffusion-img2vid (not for commercial use)."
        )
    with importing("diffusers"):
        from diffusers import StableVideoDiffusionPipeline
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    try:
        pipeline: Any = StableVideoDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise DisMoError(
            f"The Stable Video Diffusion in {folder} cannot be loaded: {first_line(error)}. Fetch it again."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


class Redrawing:
    """Draws a clip again: noise up to a part of the way, then the rest of the steps.

    Args:
        pipeline: of `load_svd`; its scheduler is replaced by one that begins there.
        steps: of the whole way.
        strength: the share of the steps that is left out. (As published: 0.7 of 25 leaves the last 8.)
    """

    def __init__(self, pipeline: Any, steps: int = STEPS, strength: float = STRENGTH) -> None:
        self.pipeline, self.steps = pipeline, steps
        skipped = int(steps * strength)
        pipeline.scheduler = _late(skipped).from_config(pipeline.scheduler.config)

    @torch.no_grad()
    def __call__(
        self, frames: Tensor, picture: Tensor, generator: torch.Generator, check_cancel: Callable[[], None]
    ) -> Tensor:
        """The clip as the model would have it.

        Args:
            frames: [T,3,S,S], 0..1, S a multiple of 64.
            picture: [3,S,S], 0..1, that the clip is said to begin with.
            generator: of the noise, on the CPU.
            check_cancel: called after each step.

        Returns:
            [T,3,S,S], 0..1, where `frames` are.
        """
        pipeline, scheduler = self.pipeline, self.pipeline.scheduler
        latents = self._encoded(frames)
        scheduler.set_timesteps(self.steps, device=latents.device)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        noisy = latents + noise * scheduler.sigmas[0].to(latents)

        def after_step(pipe: Any, step: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
            check_cancel()
            return values

        pixels = (picture.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
        made: Tensor = pipeline(
            Image.fromarray(np.ascontiguousarray(pixels)),
            height=frames.shape[-2],
            width=frames.shape[-1],
            num_frames=len(frames),
            num_inference_steps=self.steps,
            fps=FPS,
            motion_bucket_id=MOTION,
            noise_aug_strength=NOISE,
            decode_chunk_size=AT_ONCE,
            generator=generator,
            latents=noisy[None] / float(scheduler.init_noise_sigma),  # the pipeline multiplies by it
            callback_on_step_end=after_step,
            output_type="pt",
        ).frames[0]
        return made.to(frames).clamp(0, 1)

    def _encoded(self, frames: Tensor) -> Tensor:
        """Latents [T,4,S/8,S/8], scaled; in float32 where the VAE asks for it."""
        vae = self.pipeline.vae
        dtype: torch.dtype = vae.dtype
        if vae.config.force_upcast:
            vae.to(torch.float32)
        parts: list[Tensor] = [
            vae.encode((2 * part - 1).to(vae.dtype)).latent_dist.mode() for part in frames.split(AT_ONCE)
        ]
        vae.to(dtype)
        return (torch.cat(parts) * float(vae.config.scaling_factor)).to(dtype)


def _late(skipped: int) -> Any:
    """diffusers' Euler scheduler without its first steps."""
    with importing("diffusers"):
        from diffusers import EulerDiscreteScheduler

    scheduler: Any = EulerDiscreteScheduler

    class Late(scheduler):  # type: ignore[misc]
        """Begins after `skipped` steps."""

        def set_timesteps(self: Any, *args: Any, **more: Any) -> None:
            super().set_timesteps(*args, **more)
            self.timesteps, self.sigmas = self.timesteps[skipped:], self.sigmas[skipped:]
            self.num_inference_steps = len(self.timesteps)

    return Late
