"""What one training step draws, and its two losses (docs/methods/motiondirector.md, 6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..text_to_video.single_frame import single_frame_bypass

if TYPE_CHECKING:
    from .dual_path import DualPathLoRA


@dataclass(frozen=True)
class StepDraws:
    """The random choices of a step.

    Args:
        timesteps: int64 [B]; both paths use them.
        noise: [B,C,F,h,w], its offset already added.
        frame: the frame that the appearance path sees.
        anchor: frame against which the motion loss is debiased.
        skip_appearance: whether the appearance path is left out, where there is a motion path.
        mirror_latents: the frame's mirrored picture, encoded, [B,C,1,h,w]; None = the frame itself.
        mirror_noise: its noise, likewise.
    """

    timesteps: Tensor
    noise: Tensor
    frame: int = 0
    anchor: int = 0
    skip_appearance: bool = False
    mirror_latents: Tensor | None = None
    mirror_noise: Tensor | None = None


def draw_step(
    latents: Tensor,
    generator: torch.Generator,
    *,
    steps: int = 1000,
    skip: float = 0.2,
    offset_strength: float = 0.0,
) -> StepDraws:
    """The draws of a step, a function of the generator alone.

    Args:
        latents: [B,C,F,h,w]; only shape, dtype and device count.
        generator: on the CPU, so that nothing waits for the device.
        steps: noise levels of the base.
        skip: probability that the appearance path is left out.
        offset_strength: deviation of a constant that is added to each frame and channel of the noise.
    """
    where = generator.device
    noise = torch.randn(latents.shape, generator=generator, device=where)
    if offset_strength:
        batch, channels, frames = latents.shape[:3]
        noise = noise + offset_strength * torch.randn(
            (batch, channels, frames, 1, 1), generator=generator, device=where
        )
    timesteps = torch.randint(steps, (len(latents),), generator=generator, device=where)
    frame, anchor = torch.randint(latents.shape[2], (2,), generator=generator, device=where).tolist()
    skipped = float(torch.rand((), generator=generator, device=where)) < skip
    return StepDraws(timesteps.to(latents.device), noise.to(latents), frame, anchor, skipped)


def motion_loss(prediction: Tensor, target: Tensor, anchor: int, *, beta: float = 1.0) -> Tensor:
    """mean(e^2) + mean((sqrt(beta^2 + 1) e - beta e_anchor)^2) with e = prediction - target.

    The second term is the distance of phi(x)_f = sqrt(beta^2 + 1) x_f - beta x_anchor, which holds less of the appearance that all
    frames share (Zhao et al. 2023, arXiv:2310.08465, section 3.3); phi is linear.

    Args:
        prediction: [B,C,F,h,w].
        target: likewise; noise, velocity or flow.
        anchor: a frame.
        beta: strength of the debiasing.

    Returns:
        A scalar, float32.

    Raises:
        DisMoError: no such frame.
    """
    if not 0 <= anchor < prediction.shape[2]:
        raise DisMoError(f"The anchor is frame {anchor} of {prediction.shape[2]}; frames count from 0.")
    error = prediction.float() - target.float()
    debiased = (beta**2 + 1) ** 0.5 * error - beta * error[:, :, anchor : anchor + 1]
    loss: Tensor = error.square().mean() + debiased.square().mean()
    return loss


def dual_path_losses(
    unet: Any,
    lora: DualPathLoRA,
    scheduler: Any,
    latents: Tensor,
    prompt_embeds: Tensor,
    draws: StepDraws,
    *,
    appearance: int = 0,
    beta: float = 1.0,
) -> tuple[Tensor | None, Tensor | None]:
    """The losses of both paths. Scales of the adapters are set as they need, and left so.

    The first reaches the matrices of appearance adapter `appearance` alone, the second those of the motion adapter alone.

    Args:
        unet: with `lora` in it.
        lora: see `DualPathLoRA`.
        scheduler: of the base.
        latents: clean, of one clip or a batch, [B,C,F,h,w].
        prompt_embeds: [B or 1,tokens,width].
        draws: see `draw_step`.
        appearance: number of the appearance adapter that belongs to the clip.
        beta: see `motion_loss`.

    Returns:
        (appearance loss, motion loss), scalars in float32; None = not trained in this step.
    """
    first: Tensor | None = None
    second: Tensor | None = None
    for part, loss in path_losses(unet, lora, scheduler, latents, prompt_embeds, draws, appearance, beta):
        if part == "appearance":
            first = loss
        else:
            second = loss
    return first, second


def path_losses(
    unet: Any,
    lora: DualPathLoRA,
    scheduler: Any,
    latents: Tensor,
    prompt_embeds: Tensor,
    draws: StepDraws,
    appearance: int = 0,
    beta: float = 1.0,
) -> Iterator[tuple[str, Tensor]]:
    """The losses of `dual_path_losses`, one after the other: who differentiates each before the next holds one graph at a time."""
    text = prompt_embeds.expand(len(latents), -1, -1)
    shown = lora.appearances > 0 and not (lora.has_motion and draws.skip_appearance)
    scales = [float(shown and k == appearance) for k in range(lora.appearances)]
    if shown:
        lora.freeze(appearance=False, motion=True)
        lora.set_scales(appearance=scales, motion=0.0 if lora.has_motion else None)
        if draws.mirror_latents is not None and draws.mirror_noise is not None:
            clean, noise = draws.mirror_latents, draws.mirror_noise
        else:
            clean, noise = (x[:, :, draws.frame : draws.frame + 1] for x in (latents, draws.noise))
        with single_frame_bypass(unet):
            prediction, target = _prediction(unet, scheduler, clean, noise, draws.timesteps, text)
        yield "appearance", (prediction - target).square().mean()
    if lora.has_motion:
        if latents.shape[2] < 2:
            raise DisMoError("A motion is learned from clips of two frames or more, and this one has a single frame.")
        lora.freeze(appearance=True, motion=False)
        lora.set_scales(appearance=scales or None, motion=1.0)
        prediction, target = _prediction(unet, scheduler, latents, draws.noise, draws.timesteps, text)
        yield "motion", motion_loss(prediction, target, draws.anchor, beta=beta)


def together_loss(
    unet: Any,
    lora: DualPathLoRA,
    scheduler: Any,
    latents: Tensor,
    prompt_embeds: Tensor,
    draws: StepDraws,
    appearance: int = 0,
) -> Iterator[tuple[str, Tensor]]:
    """The loss of an ordinary LoRA, to compare with: both adapters learn the whole clip, and nothing is kept apart."""
    text = prompt_embeds.expand(len(latents), -1, -1)
    lora.freeze(appearance=False, motion=False)
    lora.set_scales(appearance=[float(k == appearance) for k in range(lora.appearances)], motion=1.0)
    prediction, target = _prediction(unet, scheduler, latents, draws.noise, draws.timesteps, text)
    yield "together", (prediction - target).square().mean()


def _prediction(
    unet: Any, scheduler: Any, latents: Tensor, noise: Tensor, timesteps: Tensor, text: Tensor
) -> tuple[Tensor, Tensor]:
    """The network's output and what it should be, float32."""
    noised = scheduler.add_noise(latents, noise, timesteps)
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        target = scheduler.get_velocity(latents, noise, timesteps)
    else:
        target = noise if kind == "epsilon" else latents
    output = unet(noised.to(text.dtype), timesteps, encoder_hidden_states=text, return_dict=False)[0]
    return output.float(), target.float()
