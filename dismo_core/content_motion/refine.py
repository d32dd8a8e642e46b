"""Content frame and motion latent of one clip, improved through the frozen decoder (docs/methods/content_motion.md, 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime

if TYPE_CHECKING:
    from .models.autoencoder import ContentMotionAutoencoder, Latents

CONTENT_RATE, MOTION_RATE = 0.01, 0.05  # of Adam, on the content frame and on atanh of the motion latent
_BELOW_ONE = 1 - 1e-6  # where atanh is finite


def refined(
    autoencoder: ContentMotionAutoencoder, clip: Tensor, latents: Latents, steps: int, runtime: Runtime | None = None
) -> Latents:
    """Latents that reconstruct each clip no worse than those given: of all steps the best are kept, by mean squared error.

    For clips unlike those of the training. A gradient of the whole clip is kept in memory, unlike in `encode`.

    Args:
        autoencoder: its weights stay as they are.
        clip: [B,C,L,H,W], as given to `encode`.
        latents: where to begin; those that `encode` gives.
        steps: of Adam; half of what can be gained comes in the first 50.
        runtime: its progress is called after each step, check_cancel before.

    Raises:
        DisMoError: a number of steps below 0.
    """
    if steps < 0:
        raise DisMoError(f"refine must be 0 steps or more, not {steps}.")
    dtype = latents.content.dtype
    content = latents.content.detach().float().clone().requires_grad_()
    angle = latents.motion.detach().float().clamp(-_BELOW_ONE, _BELOW_ONE).atanh().requires_grad_()
    optimizer = torch.optim.Adam(
        [{"params": [content], "lr": CONTENT_RATE}, {"params": [angle], "lr": MOTION_RATE}], foreach=False
    )
    best = type(latents)(latents.content.detach().float(), latents.motion.detach().float())
    with torch.no_grad():
        least = _errors(clip, autoencoder.decode(*latents))
    for step in range(1, steps + 1):
        if runtime is not None:
            runtime.check_cancel()
        with torch.enable_grad():
            motion = angle.tanh()
            errors = _errors(clip, autoencoder.decode(content.to(dtype), motion.to(dtype)))
            content.grad, angle.grad = torch.autograd.grad(errors.sum(), [content, angle])
        best, least = _better(best, type(latents)(content.detach(), motion.detach()), errors.detach(), least)
        optimizer.step()
        if autoencoder.mode == "pixel":
            content.data.clamp_(-1, 1)
        if runtime is not None:
            runtime.progress(step, steps, None)
    with torch.no_grad():
        last = type(latents)(content.detach(), angle.tanh().detach())
        errors = _errors(clip, autoencoder.decode(last.content.to(dtype), last.motion.to(dtype)))
    best, _ = _better(best, last, errors, least)
    return type(latents)(best.content.to(dtype), best.motion.to(dtype))


def _errors(clip: Tensor, made: Tensor) -> Tensor:
    return (made.float() - clip.float()).square().flatten(1).mean(dim=1)


def _better(best: Latents, found: Latents, errors: Tensor, least: Tensor) -> tuple[Latents, Tensor]:
    """For each clip the better of two."""
    wins = (errors < least)[:, None, None, None]
    kept = (torch.where(wins, new, old) for new, old in zip(found, best, strict=True))
    return type(best)(*kept), torch.minimum(errors, least)
