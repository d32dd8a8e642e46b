"""Sampling with a text for the content and one for the motion, and the way back to noise (docs/methods/demo_t2v.md, 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..diffusion.ddim import DDIMPath, DDIMStep, denoise_ddim, noise_ddim
from ..diffusion.finite import require_finite
from ..errors import DisMoError
from ..runtime import Runtime
from .models.attention import HeldText, joined_texts
from .noise_levels import LEVELS, PUBLISHED, alphas_cumprod

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

Scale = float | Sequence[float]  # one number, or numbers spread over the steps with straight lines between them


@dataclass(frozen=True)
class Conditioning:
    """What the two halves of the network are told.

    Args:
        content: states of what is seen, [1 or B, L, D].
        motion: states of how it moves, [1 or B, L, D].
    """

    content: Tensor
    motion: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditioning:
        """The same elsewhere."""
        return Conditioning(self.content.to(device, dtype), self.motion.to(device, dtype))

    @classmethod
    def joined(cls, several: Sequence[Conditioning]) -> Conditioning:
        """One after the other as a batch; each of a single text."""
        return cls(torch.cat([one.content for one in several]), torch.cat([one.motion for one in several]))


def sampling_times(steps: int) -> list[int]:
    """Noise levels of a sampling, the noisiest first. A number that does not divide 1000 gives more of them than asked, as published.

    Raises:
        DisMoError: steps outside 1..1000.
    """
    if not 1 <= steps <= LEVELS:
        raise DisMoError(f"steps must be 1 to {LEVELS}, the noise levels of the training, not {steps}.")
    return [min(1 + level, LEVELS - 1) for level in range(0, LEVELS, LEVELS // steps)][::-1]


def demo_path(steps: int, betas: tuple[float, float] = PUBLISHED) -> DDIMPath:
    """The steps of a sampling; the last one ends at level 0, not at a clean clip, as published."""
    alphas, stride = alphas_cumprod(betas).tolist(), LEVELS // steps
    return DDIMPath(tuple(DDIMStep(t, alphas[t], alphas[max(t - stride, 0)]) for t in sampling_times(steps)))


def inversion_path(steps: int, taken: int | None = None, betas: tuple[float, float] = PUBLISHED) -> DDIMPath:
    """The steps of an inversion, the noisiest first: from level 0 up.

    Args:
        steps: see `sampling_times`.
        taken: how many of them are gone, the first ones; None = all.
        betas: see `alphas_cumprod`.
    """
    sampling_times(steps)  # for its error
    alphas, stride = [*alphas_cumprod(betas).tolist(), 0.0], LEVELS // steps
    times = list(range(0, LEVELS, stride))[:taken]
    # the network is asked at the cleaner side of each step
    return DDIMPath(tuple(DDIMStep(t, alphas[min(t + stride, LEVELS)], alphas[t]) for t in reversed(times)))


def guide(u: Tensor, c: Tensor, scale: float) -> Tensor:
    """u + scale (c - u), in the dtype of the two (Ho and Salimans 2022, arXiv:2207.12598)."""
    return u + scale * (c - u)


def at_step(scale: Scale, step: int, steps: int) -> float:
    """The value of a scale at a step: of several numbers, the first holds at the first step and the last at the last one.

    Raises:
        DisMoError: no number.
    """
    if isinstance(scale, (int, float)):
        return float(scale)
    if not scale:
        raise DisMoError("A scale over the steps needs at least one number, not none. Give one, such as 9.")
    place = step / max(1, steps - 1) * (len(scale) - 1)
    before = min(int(place), len(scale) - 1)
    after = min(before + 1, len(scale) - 1)
    return float(scale[before] + (place - before) * (scale[after] - scale[before]))


@torch.no_grad()
def sample_ddim(
    unet: Any,
    noise: Tensor,
    positive: Conditioning,
    negative: Conditioning,
    *,
    steps: int = 50,
    guidance: Scale = 9.0,
    motion_guidance: Scale | None = None,
    motion_strength: Scale = 1.0,
    share: float = 1.0,
    betas: tuple[float, float] = PUBLISHED,
    together: bool = True,
    progress: Callable[[int, int, Image | None], None] | None = None,
    preview: Callable[[Tensor], Image | None] | None = None,
    check_cancel: Callable[[], None] | None = None,
) -> Tensor:
    """Latents from noise.

    With c and m the two texts, - their negatives and e the network, a step follows

        e(-,-) + guidance (e(c,-) - e(-,-)) + motion_guidance (e(c,m) - e(c,-)).

    Equal scales leave e(-,-) + guidance (e(c,m) - e(-,-)), two passes instead of three. Guidance 1 of both leaves e(c,m).

    Args:
        unet: a `UNet`.
        noise: [B, C, F, h, w]; the loop is computed in its dtype, the network in that of the texts.
        positive: what is asked for.
        negative: what is led away from.
        steps: see `sampling_times`.
        guidance: scale of the content; a number, or numbers spread over the steps, see `at_step`.
        motion_guidance: scale of the motion, likewise; None = as `guidance`.
        motion_strength: factor on what M adds, likewise.
        share: of the steps that are gone, the last ones: below 1 where `noise` is a clip inverted as far.
        betas: of the network's noise levels, see `alphas_cumprod`.
        together: whether the passes of a step run as one batch, or one by one in less memory.
        progress: called with (steps done, steps in all, picture or None) after each step; what it raises passes through.
        preview: the picture of clean latents.
        check_cancel: called before each stage of the network; raises to stop.

    Returns:
        [B, C, F, h, w].

    Raises:
        DisMoError: steps that cannot be, or NaN with the step at which it came.
    """
    path = demo_path(steps, betas)
    if len(path.steps) != steps:
        log.info(
            "%d steps were asked for; %d do not divide 1000, so %d are run, as published.",
            steps,
            steps,
            len(path.steps),
        )
    path = DDIMPath(path.steps[len(path.steps) - max(1, round(share * len(path.steps))) :])
    total, count = len(path.steps), len(noise)
    held: dict[tuple[int, ...], tuple[HeldText, HeldText]] = {}
    all_passes = (positive, negative, Conditioning(positive.content, negative.motion))

    def texts(passes: tuple[int, ...]) -> tuple[HeldText, HeldText]:
        """Of passes that run together; keys and values computed from them are kept for all steps."""
        if passes not in held:
            chosen = [all_passes[number] for number in passes]
            held[passes] = (
                HeldText(joined_texts([one.content for one in chosen], count)),
                HeldText(joined_texts([one.motion for one in chosen], count)),
            )
        return held[passes]

    dtype, step = positive.content.dtype, 0

    def network(x: Tensor, t: Tensor, passes: tuple[int, ...]) -> list[Tensor]:
        strength = at_step(motion_strength, step, total)
        found: list[Tensor] = []
        for group in [passes] if together else [(number,) for number in passes]:
            content, motion = texts(group)
            several = x.to(dtype).repeat(len(group), 1, 1, 1, 1)
            found += unet(several, t, content, motion, motion_strength=strength).chunk(len(group))
        return found

    def predict(x: Tensor, t: Tensor) -> Tensor:
        nonlocal step
        scale = at_step(guidance, step, total)
        scale_motion = scale if motion_guidance is None else at_step(motion_guidance, step, total)
        if scale == scale_motion == 1:
            (out,) = network(x, t, (0,))
        elif scale == scale_motion:
            c, u = network(x, t, (0, 1))
            out = guide(u, c, scale)
        else:
            c, u, content_only = network(x, t, (0, 1, 2))
            out = guide(u, content_only, scale) + scale_motion * (c - content_only)
        step += 1
        return require_finite(out.to(x.dtype), f"step {step} of {total} of the denoising")

    with checking(unet, check_cancel):
        return denoise_ddim(predict, noise, path, _reporting(noise.device, progress), preview=preview)


@torch.no_grad()
def invert_ddim(
    unet: Any,
    latents: Tensor,
    positive: Conditioning,
    *,
    steps: int = 50,
    motion_strength: float = 1.0,
    taken: int | None = None,
    betas: tuple[float, float] = PUBLISHED,
    progress: Callable[[int, int, Image | None], None] | None = None,
    check_cancel: Callable[[], None] | None = None,
) -> Tensor:
    """The noise from which sampling without guidance makes these latents again, nearly.

    Args:
        unet: see `sample_ddim`.
        latents: of a clip, [B, C, F, h, w], scaled.
        positive: what the clip shows and how it moves.
        steps: the more, the nearer.
        motion_strength: see `UNet.forward`.
        taken: how many of the steps are gone, see `inversion_path`.
        betas: of the network's noise levels, see `alphas_cumprod`.
        progress: see `sample_ddim`.
        check_cancel: likewise.

    Returns:
        [B, C, F, h, w].
    """
    content, motion = HeldText(positive.content), HeldText(positive.motion)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        out = unet(x.to(positive.content.dtype), t, content, motion, motion_strength=motion_strength)
        return require_finite(out.to(x.dtype), "a step of the inversion")

    with checking(unet, check_cancel):
        return noise_ddim(predict, latents, inversion_path(steps, taken, betas), _reporting(latents.device, progress))


def _reporting(device: torch.device, progress: Callable[[int, int, Image | None], None] | None) -> Runtime:
    runtime = Runtime.on(device)
    if progress is not None:
        runtime.progress = progress
    return runtime


@contextmanager
def checking(unet: Any, check_cancel: Callable[[], None] | None) -> Iterator[None]:
    """Within it a cancel stops the network before its next stage, not only after a whole pass."""
    if check_cancel is None:
        yield
        return
    check = check_cancel
    hooks = [stage.register_forward_pre_hook(lambda *_: check()) for stage in unet.stages()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
