"""Diffusion as in CMD: noise prediction with a learned variance, its bound in bits, fewer steps, two samplers.

Formulas: docs/methods/content_motion.md, 4. After Nichol and Dhariwal: Improved Denoising Diffusion Probabilistic Models
(arXiv:2102.09672), sections 3.1 and 4; DDIM is Song et al. 2021 (arXiv:2010.02502), section 4.1. diffusers' DDIM scheduler takes
other time steps, which changes the samples by a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime

if TYPE_CHECKING:
    from PIL.Image import Image

Network = Callable[
    ..., Tensor
]  # (x, t [B], **condition) -> noise and variance, one after the other on the channel axis
SAMPLERS = ("ancestral", "ddim")
_TINY = 1e-12  # least probability of a pixel value
_LAST = 0.999  # pixel values beyond it have all the probability of their side


class Schedule:
    """What the steps of a process need, one entry a step, in ascending time.

    Args:
        cumulative: float64 [n], the product of 1 - beta up to each step.
    """

    def __init__(self, cumulative: Tensor) -> None:
        before = torch.cat((cumulative.new_ones(1), cumulative[:-1]))
        self.cumulative, self.before = cumulative, before
        self.betas = 1 - cumulative / before
        variance = self.betas * (1 - before) / (1 - cumulative)
        self.log_variance = torch.cat((variance[1:2], variance[1:])).log()  # the first is 0, and takes the second's
        self.log_betas = self.betas.log()
        self.mean_clean = self.betas * before.sqrt() / (1 - cumulative)
        self.mean_noisy = (1 - before) * (1 - self.betas).sqrt() / (1 - cumulative)
        self.clean_noisy = (1 / cumulative).sqrt()
        self.clean_noise = (1 / cumulative - 1).sqrt()


class GaussianDiffusion:
    """The process that both diffusion models of CMD are trained for.

    Args:
        steps: time steps.
        beta_start: variance added in the first step.
        beta_end: in the last; linear in between.
    """

    def __init__(self, steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> None:
        self.steps = steps
        self.alphas_cumprod = (1 - torch.linspace(beta_start, beta_end, steps, dtype=torch.float64)).cumprod(0)
        self._all = Schedule(self.alphas_cumprod)

    def timesteps(self, n: int) -> list[int]:
        """n of the time steps, ascending, by a running sum (docs/methods/content_motion.md, 4.2).

        Raises:
            DisMoError: fewer than 2 or more than there are.
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 2 <= n <= self.steps:
            raise DisMoError(f"steps must be a whole number of 2 to {self.steps}, not {n!r}.")
        at, stride, taken = 0.0, (self.steps - 1) / (n - 1), []
        for _ in range(n):
            taken.append(round(at))
            at += stride
        return taken

    def respaced(self, n: int) -> Schedule:
        """The schedule of `timesteps(n)`."""
        return Schedule(self.alphas_cumprod[self.timesteps(n)])

    def loss(
        self,
        model: Network,
        x0: Tensor,
        t: Tensor,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        **condition: Any,
    ) -> dict[str, Tensor]:
        """The training loss of each sample (docs/methods/content_motion.md, 4.3).

        Args:
            model: called as model(x_t, t, **condition).
            x0: clean samples [B,C,...].
            t: time steps, int64 [B].
            noise: like x0; None = drawn.
            generator: on the CPU, for the noise.
            condition: goes to the model.

        Returns:
            "loss" = "mse" + "vlb", each [B]; the bound trains the variance alone.
        """
        if noise is None:
            noise = torch.randn(x0.shape, generator=generator).to(x0)
        at = self._at(self._all, t, x0)
        x = at("cumulative").sqrt() * x0 + (1 - at("cumulative")).sqrt() * noise
        predicted, variance = model(x, t, **condition).float().chunk(2, dim=1)
        mse = _mean((noise - predicted) ** 2)
        vlb = self._bound(at, x0, x, t, predicted.detach(), variance)
        return {"loss": mse + vlb, "mse": mse, "vlb": vlb}

    def _bound(
        self, at: Callable[[str], Tensor], x0: Tensor, x: Tensor, t: Tensor, predicted: Tensor, variance: Tensor
    ) -> Tensor:
        """One term of the variational bound, bits a value, [B]."""
        mean, log_variance = _posterior(at, at("clean_noisy") * x - at("clean_noise") * predicted, x, variance)
        true_mean, true_log = at("mean_clean") * x0 + at("mean_noisy") * x, at("log_variance")
        difference = (true_mean - mean) ** 2 * torch.exp(-log_variance)
        divergence = 0.5 * (-1 + log_variance - true_log + torch.exp(true_log - log_variance) + difference)
        bits = torch.where(t == 0, _mean(-_log_likelihood(x0, mean, 0.5 * log_variance)), _mean(divergence))
        return bits / math.log(2)

    @torch.no_grad()
    def sample(
        self,
        model: Network,
        noise: Tensor,
        steps: int = 50,
        sampler: str = "ancestral",
        eta: float = 0.0,
        clip: bool = False,
        step_noise: Tensor | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        runtime: Runtime | None = None,
        preview: Callable[[Tensor], Image | None] | None = None,
        **condition: Any,
    ) -> Tensor:
        """Clean samples from noise.

        Args:
            model: called as model(x, t, **condition), t the original time steps.
            noise: [B,C,...].
            steps: of the sampling, 2 to all.
            sampler: "ancestral" or "ddim".
            eta: of DDIM, 0 = no noise enters, 1 = as much as in ancestral sampling with the lower bound of the variance.
            clip: whether clean samples are held in -1..1 at each step.
            step_noise: [steps, *noise.shape], in order of use; None = drawn.
            generator: on the CPU, for the noise of the steps; one for each sample, or one that all are derived from: either way a
                sample does not depend on those drawn beside it. None = the global one.
            runtime: its progress is called after each step, check_cancel before; what they raise passes through.
            preview: makes a picture of the clean samples as predicted now, for the progress.
            condition: goes to the model.

        Raises:
            DisMoError: steps, sampler or eta that there are not, or step_noise of another shape.
        """
        times, schedule = self.timesteps(steps), self.respaced(steps)
        _check(sampler, eta)
        if step_noise is not None and step_noise.shape != (steps, *noise.shape):
            raise DisMoError(f"step_noise must be {[steps, *noise.shape]}, not {list(step_noise.shape)}.")
        noisy = sampler == "ancestral" or eta > 0
        generators = _generators(generator, len(noise)) if noisy and step_noise is None else []
        moments = torch.tensor(times, device=noise.device)
        x = noise.float()
        for done, i in enumerate(reversed(range(steps)), 1):
            if runtime is not None:
                runtime.check_cancel()
            fresh = None if not noisy else _drawn(generators, x) if step_noise is None else step_noise[done - 1].to(x)
            output = model(x, moments[i].expand(len(x)), **condition).float()
            x, clean = _step(schedule, i, x, output, sampler, eta, clip, fresh)
            if runtime is not None:
                runtime.progress(done, steps, preview(clean) if preview else None)
        return x

    @staticmethod
    def _at(schedule: Schedule, t: Tensor, x: Tensor) -> Callable[[str], Tensor]:
        """Entries of the schedule's tables at t, float32, to be multiplied with x."""
        shape = (-1, *(1,) * (x.ndim - 1))
        return lambda name: getattr(schedule, name).to(x.device)[t].float().view(shape)


def _step(
    schedule: Schedule,
    i: int,
    x: Tensor,
    output: Tensor,
    sampler: str,
    eta: float,
    clip: bool,
    fresh: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The samples one step before, and clean as predicted now."""

    def at(name: str) -> Any:
        return float(getattr(schedule, name)[i].float())

    predicted, variance = output.chunk(2, dim=1)
    clean = at("clean_noisy") * x - at("clean_noise") * predicted
    if clip:
        clean = clean.clamp(-1, 1)
    if sampler == "ancestral":
        mean, log_variance = _posterior(at, clean, x, variance)
        return (mean + torch.exp(0.5 * log_variance) * fresh if i and fresh is not None else mean), clean
    a, before = float(schedule.cumulative[i]), float(schedule.before[i])
    epsilon = (at("clean_noisy") * x - clean) / at("clean_noise")
    sigma = eta * math.sqrt((1 - before) / (1 - a)) * math.sqrt(1 - a / before)
    x = math.sqrt(before) * clean + math.sqrt(max(1 - before - sigma**2, 0.0)) * epsilon
    return (x + sigma * fresh if i and fresh is not None else x), clean


def _posterior(at: Callable[[str], Any], clean: Tensor, x: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the step before."""
    share = (variance + 1) / 2
    log_variance = share * at("log_betas") + (1 - share) * at("log_variance")
    return at("mean_clean") * clean + at("mean_noisy") * x, log_variance


def _log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Of pixel values x, in steps of 2/255, under a Gaussian."""
    centred, scale = x - mean, torch.exp(-log_scale)
    above, below = _normal(scale * (centred + 1 / 255)), _normal(scale * (centred - 1 / 255))
    inside = (above - below).clamp(min=_TINY).log()
    right = (1 - below).clamp(min=_TINY).log()
    left = above.clamp(min=_TINY).log()
    return torch.where(x < -_LAST, left, torch.where(x > _LAST, right, inside))


def _normal(u: Tensor) -> Tensor:
    """The cumulative normal distribution, nearly."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))


def _mean(x: Tensor) -> Tensor:
    return x.flatten(1).mean(dim=1)


def _generators(given: torch.Generator | Sequence[torch.Generator] | None, count: int) -> list[torch.Generator]:
    """One for each sample."""
    if given is None or isinstance(given, torch.Generator):
        seeds = [int(torch.randint(2**62, (1,), generator=given)) for _ in range(count)]
        return [torch.Generator().manual_seed(seed) for seed in seeds]
    if len(given) != count:
        raise DisMoError(f"{count} samples need as many generators, not {len(given)}.")
    return list(given)


def _drawn(generators: Sequence[torch.Generator], x: Tensor) -> Tensor:
    return torch.stack([torch.randn(x.shape[1:], generator=generator) for generator in generators]).to(x)


def _check(sampler: str, eta: float) -> None:
    if sampler not in SAMPLERS:
        raise DisMoError(f"There is no sampler {sampler!r}: choose 'ancestral' or 'ddim'.")
    if not 0 <= eta <= 1:
        raise DisMoError(f"eta must be 0 (no noise) to 1, not {eta}.")
