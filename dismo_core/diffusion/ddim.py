"""DDIM (Song et al. 2021, arXiv:2010.02502): sampling from noise with eta 0, and the way back from a clip to its noise.

With a_t the cumulative alpha at time step t, e the predicted noise and x0 the predicted clean latents, section 4.1 of the paper reads

    x_t = sqrt(a_t) x0 + sqrt(1 - a_t) e
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime

if TYPE_CHECKING:
    from PIL.Image import Image

Predict = Callable[[Tensor, Tensor], Tensor]  # latents and time step [1] -> the network's output, in the latents' shape


@dataclass(frozen=True)
class DDIMStep:
    """One step between two noise levels.

    Args:
        time: step that the network is told.
        alpha: cumulative alpha of the noisier side, that of `time`.
        alpha_before: of the cleaner side.
    """

    time: int
    alpha: float
    alpha_before: float


@dataclass(frozen=True)
class DDIMPath:
    """The steps of a sampling, from noise to clean, and what the network predicts.

    Args:
        steps: in the order of sampling; the inversion takes them from the end.
        prediction: "epsilon", "v_prediction" or "sample".
        clip: bound on |x0|; None = none, as latent models have it.
    """

    steps: tuple[DDIMStep, ...]
    prediction: str = "epsilon"
    clip: float | None = None

    def times(self, device: torch.device) -> Tensor:
        """Time steps [steps] on a device, so that nothing in the loop waits for it."""
        return torch.tensor([step.time for step in self.steps], device=device)


def ddim_path(scheduler: Any, steps: int) -> DDIMPath:
    """The path that a diffusers scheduler describes.

    A step goes from time t to t - T // steps (T = the training steps); before time 0 stands the scheduler's final alpha.

    Args:
        scheduler: DDIMScheduler; it stays as it is.
        steps: of the sampling.

    Raises:
        DisMoError: no such number of steps, or a scheduler that thresholds, which is for pixels.
    """
    config = scheduler.config
    trained = int(config.num_train_timesteps)
    if not 1 <= steps <= trained:
        raise DisMoError(f"steps must be 1 to {trained}, the noise levels that the base was trained with, not {steps}.")
    if config.thresholding:
        raise DisMoError(
            "The base's scheduler asks for thresholding, which is for models of pixels and not of latents. Set it to false in its "
            "scheduler_config.json."
        )
    own = type(scheduler).from_config(config)
    own.set_timesteps(steps)
    times: list[int] = own.timesteps.tolist()
    if times[0] >= trained:
        raise DisMoError(
            f"With {steps} steps the base's schedule begins at time {times[0]}, beyond its {trained} noise levels. Take fewer steps."
        )
    alphas = own.alphas_cumprod.double().tolist()
    final = float(own.final_alpha_cumprod)
    stride = trained // steps
    return DDIMPath(
        tuple(DDIMStep(t, alphas[t], alphas[t - stride] if t >= stride else final) for t in times),
        str(config.prediction_type),
        float(config.clip_sample_range) if config.clip_sample else None,
    )


def clean_and_noise(output: Tensor, x: Tensor, alpha: float, path: DDIMPath) -> tuple[Tensor, Tensor]:
    """What the network's output says of the clean latents and of the noise in x, at cumulative alpha `alpha`."""
    signal, noise = alpha**0.5, (1 - alpha) ** 0.5
    if path.prediction == "epsilon":
        clean, epsilon = (x - noise * output) / signal, output
    elif path.prediction == "v_prediction":
        clean, epsilon = signal * x - noise * output, signal * output + noise * x
    elif path.prediction == "sample":
        clean, epsilon = output, (x - signal * output) / noise
    else:
        raise DisMoError(
            f"The base's scheduler has the prediction type {path.prediction!r}; known are epsilon, v_prediction and sample."
        )
    return (clean if path.clip is None else clean.clamp(-path.clip, path.clip)), epsilon


def denoise_ddim(
    predict: Predict,
    latents: Tensor,
    path: DDIMPath,
    runtime: Runtime | None = None,
    before_step: Callable[[int, int], None] | None = None,
    preview: Callable[[Tensor], Image] | None = None,
) -> Tensor:
    """Latents from noise along a path.

    Args:
        predict: the network, guided or not.
        latents: noise, any shape.
        path: see `ddim_path`.
        runtime: its progress is called after each step; what it raises passes through.
        before_step: called with (number of the step, steps in all), such as to change the network's adapters.
        preview: a picture of clean latents, for the progress.
    """
    times, x, total = path.times(latents.device), latents, len(path.steps)
    for i, step in enumerate(path.steps):
        if before_step is not None:
            before_step(i, total)
        clean, noise = clean_and_noise(predict(x, times[i : i + 1]), x, step.alpha, path)
        x = step.alpha_before**0.5 * clean + (1 - step.alpha_before) ** 0.5 * noise
        if runtime is not None:
            runtime.progress(i + 1, total, None if preview is None else preview(clean))
    return x


def noise_ddim(predict: Predict, latents: Tensor, path: DDIMPath, runtime: Runtime | None = None) -> Tensor:
    """Noise from latents along the same path, backwards: the network is asked at the noisier side of each step.

    Args:
        predict: see `denoise_ddim`.
        latents: clean.
        path: see `ddim_path`.
        runtime: see `denoise_ddim`.
    """
    times, x, total = path.times(latents.device), latents, len(path.steps)
    for done, (i, step) in enumerate(reversed(list(enumerate(path.steps))), 1):
        clean, noise = clean_and_noise(predict(x, times[i : i + 1]), x, step.alpha_before, path)
        x = step.alpha**0.5 * clean + (1 - step.alpha) ** 0.5 * noise
        if runtime is not None:
            runtime.progress(done, total, None)
    return x


@torch.no_grad()
def sample_ddim(
    unet: Any,
    scheduler: Any,
    latents: Tensor,
    prompt_embeds: Tensor,
    negative_embeds: Tensor | None = None,
    *,
    steps: int = 30,
    guidance: float = 12.0,
    runtime: Runtime | None = None,
    before_step: Callable[[int, int], None] | None = None,
    preview: Callable[[Tensor], Image] | None = None,
) -> Tensor:
    """Clean latents from noise, with classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598, section 3).

    Args:
        unet: of diffusers, called with latents, time step and text.
        scheduler: of the base; it stays as it is.
        latents: noise [B,C,F,h,w].
        prompt_embeds: text [B or 1,tokens,width].
        negative_embeds: likewise, what it should not be; needed above a guidance of 1, unused else.
        steps: of the sampling.
        guidance: e = e_negative + guidance (e_text - e_negative); up to 1 the text alone is asked.
        runtime: see `denoise_ddim`.
        before_step: see `denoise_ddim`.
        preview: see `denoise_ddim`.

    Returns:
        [B,C,F,h,w], in the dtype of the noise.

    Raises:
        DisMoError: see `ddim_path`; guidance above 1 without `negative_embeds`.
    """
    if guidance > 1 and negative_embeds is None:
        raise DisMoError(
            f"A guidance of {guidance:g} needs the embeddings of a negative prompt, also of an empty one. Give them, or a guidance of 1."
        )
    count = len(latents)
    text = prompt_embeds.expand(count, -1, -1)
    if guidance > 1 and negative_embeds is not None:
        text = torch.cat((negative_embeds.expand(count, -1, -1), text))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        if guidance <= 1:
            return _output(unet, x, t, text)
        negative, positive = _output(unet, torch.cat((x, x)), t, text).chunk(2)
        return negative + guidance * (positive - negative)

    return denoise_ddim(predict, latents, ddim_path(scheduler, steps), runtime, before_step, preview).to(latents.dtype)


@torch.no_grad()
def invert_ddim(
    unet: Any,
    scheduler: Any,
    latents: Tensor,
    prompt_embeds: Tensor,
    *,
    steps: int = 50,
    runtime: Runtime | None = None,
) -> Tensor:
    """The noise from which DDIM makes these latents again, nearly; the more steps, the nearer.

    Args:
        unet: see `sample_ddim`.
        scheduler: see `sample_ddim`.
        latents: clean [B,C,F,h,w].
        prompt_embeds: text [B or 1,tokens,width]; that of an empty prompt for a noise prior.
        steps: of the inversion.
        runtime: see `denoise_ddim`.

    Returns:
        [B,C,F,h,w], in the dtype of the latents.
    """
    text = prompt_embeds.expand(len(latents), -1, -1)
    path = ddim_path(scheduler, steps)
    return noise_ddim(lambda x, t: _output(unet, x, t, text), latents, path, runtime).to(latents.dtype)


def _output(unet: Any, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
    """The network's output in float32."""
    output: Tensor = unet(x.to(text.dtype), t, encoder_hidden_states=text, return_dict=False)[0]
    return output.float()
