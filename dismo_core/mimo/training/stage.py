"""A stage's losses: what the networks are shown, made noisy, into the training loss (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ...synthetic.draws import Draws
from ...training.share import Share

NOISE_OFFSET = 0.05
DROP = 0.1  # probability of a row without the reference


class StageObjective:
    """Losses of a batch by its number; what is drawn for it is a function of that number.

    Args:
        networks: `Networks` that are trained, or what wraps them.
        shown: gives `latents`, `background`, `reference_latent`, `context` and `poses` of this process's rows of a batch, see
            `training_loss`, from the batch's stream of random numbers, of which it takes what all rows need.
        share: of each batch.
        seed: of batch 0; others have those after it.
        snr_gamma: see `training_loss`.
    """

    def __init__(
        self,
        networks: nn.Module,
        shown: Callable[[Draws], dict[str, Tensor]],
        share: Share,
        seed: int,
        snr_gamma: float | None = 5.0,
    ) -> None:
        self.networks, self.shown, self.share = networks, shown, share
        self.seed, self.snr_gamma = seed, snr_gamma

    def __call__(self, number: int) -> dict[str, Tensor]:
        """{"loss": a number}."""
        draws = Draws(self.seed + number)
        inputs = self.shown(draws)
        latents = inputs["latents"]
        rows, own = self.share.batch, self.share.rows
        timesteps = draws.integers(0, 1000, rows)
        noise = draws.randn(rows, *latents.shape[1:]) + NOISE_OFFSET * draws.randn(rows, 4, 1, 1, 1)
        drop = draws.rand(rows) < DROP
        loss: Tensor = self.networks(
            **inputs,
            timesteps=timesteps[own].to(latents.device),
            noise=noise[own].to(latents.device),
            drop=drop[own].tolist(),
            snr_gamma=self.snr_gamma,
        )
        return {"loss": loss}
