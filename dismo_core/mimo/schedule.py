"""The schedule of MIMO: DDIM that begins without any signal, predicting velocities (docs/methods/mimo.md, 3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..errors import DisMoError
from ..imports import importing

TRAIN_STEPS = 1000


class DDIM:
    """Deterministic sampling along some of 1000 noise levels; diffusers' scheduler with MIMO's numbers.

    Args:
        steps: of a sampling; numbers that divide 1000 are best.

    Attributes:
        timesteps: round(arange(1000, 0, -1000 / steps)) - 1.
        alphas_cumprod: float32 [1000], the signal's share of the variance: 0.99915 at first, 0 at last.

    Raises:
        DisMoError: a number of steps that there is not.
    """

    def __init__(self, steps: int = 25) -> None:
        if not 1 <= steps <= TRAIN_STEPS:
            raise DisMoError(f"steps must be 1 to {TRAIN_STEPS}, not {steps}.")
        with importing("diffusers"):
            from diffusers import DDIMScheduler

        make: Any = DDIMScheduler  # diffusers' decorator hides its type
        self._scheduler: Any = make(
            num_train_timesteps=TRAIN_STEPS,
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            steps_offset=1,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
        )
        self._scheduler.set_timesteps(steps)
        self.timesteps: list[int] = self._scheduler.timesteps.tolist()
        self.alphas_cumprod: Tensor = self._scheduler.alphas_cumprod

    def step(self, velocity: Tensor, timestep: int, sample: Tensor) -> Tensor:
        """From t to t - floor(1000 / steps), below 0 to the clean sample.

        With a the signal's share at t and a' that after the step: x0 = sqrt(a) x - sqrt(1 - a) v, e = sqrt(a) v + sqrt(1 - a) x,
        x' = sqrt(a') x0 + sqrt(1 - a') e.

        Args:
            velocity: predicted at `timestep`.
            timestep: t.
            sample: x, any shape.
        """
        after: Tensor = self._scheduler.step(velocity, timestep, sample).prev_sample
        return after

    def clean(self, velocity: Tensor, timestep: int, sample: Tensor) -> Tensor:
        """The clean sample x0 as guessed at t, for previews."""
        signal = float(self.alphas_cumprod[timestep])
        clean: Tensor = signal**0.5 * sample - (1 - signal) ** 0.5 * velocity
        return clean

    def add_noise(self, x: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """sqrt(a) x + sqrt(1 - a) noise, a timestep a row."""
        noisy: Tensor = self._scheduler.add_noise(x, noise, timesteps)
        return noisy

    def velocity(self, x: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """sqrt(a) noise - sqrt(1 - a) x, a timestep a row: what the network is to predict."""
        target: Tensor = self._scheduler.get_velocity(x, noise, timesteps)
        return target
