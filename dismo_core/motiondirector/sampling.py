"""Videos of a base with adapters: from a prompt, and if asked for from a clip's own noise (docs/methods/motiondirector.md, 8)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..diffusion.ddim import sample_ddim
from ..diffusion.finite import require_finite
from ..diffusion.frame_vae import decode_frames
from ..diffusion.noise_prior import mix_noise_prior, start_noise
from ..errors import DisMoError
from ..runtime import Runtime
from ..text_to_video.pieces import feed_forward_by_frames
from ..text_to_video.single_frame import single_frame_bypass

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..text_to_video.base import TextToVideoBase
    from .dual_path import DualPathLoRA

log = logging.getLogger(__name__)

REMEDIES = "Fewer frames help most, then a smaller size, then an adapter of a smaller rank."


@dataclass(frozen=True)
class VideoSettings:
    """What is made.

    Args:
        prompt: what the video shows; empty = no guidance.
        negative_prompt: what it should not show.
        width: px, a multiple of 8; 0 = the base's own.
        height: likewise.
        frames: of the video.
        steps: of the sampling; 0 = the base's own.
        guidance: how closely to follow the prompt, 1 = not; 0 = the base's own.
        seed: of the noise.
        batch: videos of one seed, made together.
        noise_prior: share of a clip's own noise, 0..1.
        renormalise: see `mix_noise_prior`.
        motion_from: share of the steps before which the motion adapter is off, 0..1.
        motion_until: share of the steps after which it is off, 0..1.
    """

    prompt: str = ""
    negative_prompt: str = ""
    width: int = 0
    height: int = 0
    frames: int = 16
    steps: int = 0
    guidance: float = 0.0
    seed: int = 0
    batch: int = 1
    noise_prior: float = 0.0
    renormalise: bool = True
    motion_from: float = 0.0
    motion_until: float = 1.0


def sample_videos(
    base: TextToVideoBase,
    settings: VideoSettings,
    lora: DualPathLoRA | None = None,
    *,
    inversion: Tensor | None = None,
    runtime: Runtime | None = None,
    previews: bool = False,
) -> Tensor:
    """Videos from noise. Adapters act with the scales that they have.

    Args:
        base: with the adapters in its UNet.
        settings: see there.
        lora: the adapters; needed where the motion adapter is on for a part of the steps only.
        inversion: noise of a clip [1,4,F,h,w], see `with_inversion`; needed for a noise prior above 0.
        runtime: stages and progress.
        previews: whether progress comes with pictures, where the VAE lies on the device beside the UNet.

    Returns:
        uint8 [batch,frames,H,W,3] on the CPU.

    Raises:
        DisMoError: a setting that cannot be, a noise prior without a clip, or NaN.
    """
    runtime = runtime or Runtime.on(base.device)
    latents = sample_latents(base, settings, lora, inversion=inversion, runtime=runtime, previews=previews)
    runtime.stage("decoding the video")
    with base.plan.using("vae"):
        return decode_frames(base.vae, latents)


def sample_latents(
    base: TextToVideoBase,
    settings: VideoSettings,
    lora: DualPathLoRA | None = None,
    *,
    inversion: Tensor | None = None,
    runtime: Runtime | None = None,
    previews: bool = False,
) -> Tensor:
    """The latents of `sample_videos`, [batch,C,frames,h,w]."""
    runtime = runtime or Runtime.on(base.device)
    check_settings(settings)
    if settings.noise_prior > 0 and inversion is None:
        raise DisMoError(
            f"A noise prior of {settings.noise_prior:g} needs the clip whose noise it is. Give the clip or its cached latents, or 0."
        )
    own_width, own_height = base.size
    width, height = settings.width or own_width, settings.height or own_height
    channels = int(base.unet.config["in_channels"])
    shape = (settings.batch, channels, settings.frames, height // base.scale, width // base.scale)
    noise = start_noise(shape, settings.seed)
    if settings.noise_prior > 0 and inversion is not None:
        noise = mix_noise_prior(inversion, noise, settings.noise_prior, renormalise=settings.renormalise)
    steps, guidance = (
        given or own for given, own in zip((settings.steps, settings.guidance), base.sampling, strict=True)
    )
    if not settings.prompt and guidance > 1:
        log.warning("The prompt is empty, so there is nothing to be guided to: guidance is 1.")
        guidance = 1.0
    runtime.stage("reading the prompt")
    base.plan_for(width, height, settings.frames, settings.batch * (2 if guidance > 1 else 1))
    base.plan.make_room(runtime)
    short = "unet" in base.plan.choice.low_memory
    text = base.encode_prompts([settings.prompt])
    negative = base.encode_prompts([settings.negative_prompt]) if guidance > 1 else None
    runtime.stage("denoising")
    switched = (settings.motion_from, settings.motion_until) != (0.0, 1.0)
    with out_of_memory_explained(), base.plan.using("unet"), _motion_restored(lora) as motion:
        single = single_frame_bypass(base.unet) if settings.frames == 1 else contextlib.nullcontext()
        pieces = feed_forward_by_frames(base.unet) if short else contextlib.nullcontext()
        with (
            single,
            pieces,
            lora.merged() if lora is not None and _mergeable(base, switched) else contextlib.nullcontext(),
        ):
            latents = sample_ddim(
                base.unet,
                base.scheduler,
                noise.to(base.device, base.dtype),
                text,
                negative,
                steps=int(steps),
                guidance=guidance,
                runtime=runtime,
                before_step=motion_switch(lora, motion, settings.motion_from, settings.motion_until),
                in_turn=short,
                preview=partial(_middle_frame, base) if previews and base.plan.choice.memory == "full" else None,
            )
    return require_finite(latents, "denoising")


def check_settings(settings: VideoSettings) -> None:
    """Raise where a sampling could not begin; asked before long work.

    Raises:
        DisMoError: which setting cannot be, and what can.
    """
    for name in ("width", "height"):
        side = getattr(settings, name)
        if side < 0 or side % 8:
            near = max(8, round(side / 8) * 8)
            raise DisMoError(
                f"The {name} must be a multiple of 8, or 0 for the base's own, not {side}. Near is {near}."
            )
    for name, least in (("frames", 1), ("batch", 1), ("steps", 0)):
        if getattr(settings, name) < least:
            raise DisMoError(f"{name} must be at least {least}, not {getattr(settings, name)}.")
    if not 0 <= settings.motion_from <= settings.motion_until <= 1:
        raise DisMoError(
            f"The motion adapter acts from {settings.motion_from:g} until {settings.motion_until:g} of the steps; both are 0 to 1, the "
            "first not above the second."
        )
    if not 0 <= settings.noise_prior <= 1:
        raise DisMoError(f"The noise prior is a share of 0 to 1, not {settings.noise_prior:g}. 0 is plain noise.")


def motion_switch(
    lora: DualPathLoRA | None, scale: float | None, first: float, last: float
) -> Callable[[int, int], None] | None:
    """What turns the motion adapter on and off, for `sample_ddim`; None where it is on throughout.

    Args:
        lora: the adapters.
        scale: of the motion adapter, where there is one.
        first: share of the steps before which it is off.
        last: share of the steps after which it is off.
    """
    if lora is None or scale is None or (first, last) == (0.0, 1.0):
        return None
    adapters, on = lora, scale

    def switch(step: int, steps: int) -> None:
        adapters.set_scales(motion=on if first * steps <= step < last * steps else 0.0)

    return switch


def _mergeable(base: TextToVideoBase, switched: bool) -> bool:
    """Whether updates become part of the weights for a sampling: exact in float32 alone, of weights that stay where they are."""
    return base.dtype is torch.float32 and not switched and base.plan.choice.memory == "full"


def _middle_frame(base: TextToVideoBase, latents: Tensor) -> Image:
    """The middle frame of the first video of clean latents [B,C,F,h,w]."""
    from PIL import Image as images

    middle = latents.shape[2] // 2
    with base.plan.using("vae"):
        frame = decode_frames(base.vae, latents[:1, :, middle : middle + 1].to(base.dtype))
    return images.fromarray(frame[0, 0].numpy())


@contextlib.contextmanager
def _motion_restored(lora: DualPathLoRA | None) -> Iterator[float | None]:
    scale = lora.scales["motion"][0] if lora is not None and lora.has_motion else None
    try:
        yield scale
    finally:
        if lora is not None and scale is not None:
            lora.set_scales(motion=scale)


@contextlib.contextmanager
def out_of_memory_explained() -> Iterator[None]:
    """Says what helps, and lets the error pass as it is."""
    try:
        yield
    except torch.OutOfMemoryError:
        log.error("The device's memory is full. %s", REMEDIES)
        raise
