"""Stable Video Diffusion from a folder, and clips that it draws again from halfway (docs/methods/gaussians4d.md, 1.3 and 7.8).

After "Stable Video Diffusion" (Blattmann et al., 2023) by diffusers, and "SDEdit" (Meng et al., ICLR 2022) for the beginning halfway.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import DisMoError, first_line
from ..imports import importing
from ..memory.plan import MemoryPlan, Part

FPS, MOTION, NOISE = 7, 127, 0.02  # what the model is told of the clip, as published
STEPS, STRENGTH = 25, 0.7
AT_ONCE = 2  # frames that the VAE takes together
# bytes that the parts take beside their weights, for 14 frames of 512 px by diffusers on the meta device, benchmarks/live_bytes.py
WORKSPACES = {"unet": 2_100_000_000, "vae": 1_350_000_000, "image_encoder": 1 << 26}


class StableVideo:
    """diffusers' pipeline, whose parts a plan brings to the device when they are called.

    Args:
        pipeline: a StableVideoDiffusionPipeline, on the host.
        plan: with its parts unet, vae and image_encoder.
    """

    def __init__(self, pipeline: Any, plan: MemoryPlan) -> None:
        self.pipeline, self.plan = pipeline, plan
        self._here: str | None = None
        self._stack = ExitStack()
        for name in plan.parts:
            _hook(getattr(pipeline, name), name, self)

    @contextmanager
    def running(self) -> Iterator[Any]:
        """The pipeline, ready to be called; afterwards its last part leaves the device, if the plan wants it."""
        try:
            with self._stack:
                yield self.pipeline
        finally:
            self._here = None

    def bring(self, name: str) -> None:
        """Before a part runs: the one that ran before it goes."""
        if self._here != name:
            self._stack.close()
            self._stack.enter_context(self.plan.using(name))
            self._here = name


def _hook(module: Any, name: str, video: StableVideo) -> None:
    """Call `video.bring` ahead of the module's forward, encode and decode, where diffusers' own offloading does its work."""
    with importing("accelerate"):
        from accelerate.hooks import ModelHook, add_hook_to_module

    hook: Any = ModelHook
    owner = weakref.ref(video)  # which shall vanish with its last user, not when cycles are collected

    class Bring(hook):  # type: ignore[misc]
        execution_device = video.plan.device  # where the pipeline makes its inputs

        def pre_forward(self, module: Any, *args: Any, **more: Any) -> tuple[Any, Any]:
            if (alive := owner()) is not None:
                alive.bring(name)
            return args, more

    add_hook_to_module(module, Bring())


def load_svd(folder: str | os.PathLike[str], device: torch.device, memory: str = "auto") -> StableVideo:
    """A Stable Video Diffusion: float32 on a CPU, else float16, as published. No network, no code of the folder.

    Args:
        folder: in diffusers' format.
        device: where it runs.
        memory: see `MemoryPlan`; its parts come whole.

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
    parts = {name: Part(getattr(pipeline, name), None, work) for name, work in WORKSPACES.items()}
    return StableVideo(pipeline, MemoryPlan(parts, device, memory))


class Redrawing:
    """Draws a clip again: noise up to a part of the way, then the rest of the steps.

    Args:
        video: of `load_svd`; its scheduler is replaced by one that begins there.
        steps: of the whole way.
        strength: the share of the steps that is left out. (As published: 0.7 of 25 leaves the last 8.)
    """

    def __init__(self, video: StableVideo, steps: int = STEPS, strength: float = STRENGTH) -> None:
        self.video, self.steps = video, steps
        pipeline = video.pipeline
        pipeline.scheduler = _late(int(steps * strength)).from_config(pipeline.scheduler.config)

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
        with self.video.running() as pipeline:
            scheduler, latents = pipeline.scheduler, _encoded(pipeline, frames)
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


def _encoded(pipeline: Any, frames: Tensor) -> Tensor:
    """Latents [T,4,S/8,S/8], scaled; in float32 where the VAE asks for it."""
    vae = pipeline.vae
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
