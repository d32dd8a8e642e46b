"""A stage's losses: what the networks are shown, made noisy, into the training loss (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ...synthetic.draws import Draws
from .networks import Networks
from .objective import training_loss

NOISE_OFFSET = 0.05
DROP = 0.1  # probability of a row without the reference


class StageObjective:
    """Losses of a batch by its number; what is drawn for it is a function of that number.

    Args:
        networks: that are trained.
        shown: gives `latents`, `background`, `reference_latent`, `context` and `poses` of a batch, see `training_loss`, from its stream
            of random numbers.
        seed: of batch 0; others have those after it.
        snr_gamma: see `training_loss`.
    """

    def __init__(
        self,
        networks: Networks,
        shown: Callable[[Draws], dict[str, Tensor]],
        seed: int,
        snr_gamma: float | None = 5.0,
    ) -> None:
        self.networks, self.shown = networks, shown
        self.seed, self.snr_gamma = seed, snr_gamma

    def __call__(self, number: int) -> dict[str, Tensor]:
        """{"loss": a number}."""
        draws = Draws(self.seed + number)
        inputs = self.shown(draws)
        latents = inputs["latents"]
        rows = len(latents)
        timesteps = draws.integers(0, 1000, rows)
        noise = draws.randn(*latents.shape) + NOISE_OFFSET * draws.randn(rows, 4, 1, 1, 1)
        loss = training_loss(
            self.networks.reference_unet,
            self.networks.denoising_unet,
            self.networks.pose_guider,
            **inputs,
            timesteps=timesteps.to(latents.device),
            noise=noise.to(latents.device),
            drop=draws.rand(rows) < DROP,
            snr_gamma=self.snr_gamma,
        )
        return {"loss": loss}
