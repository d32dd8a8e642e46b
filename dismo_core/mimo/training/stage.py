"""A stage's losses: examples drawn for a batch, through the frozen encoders, into the training loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...synthetic.draws import Draws
from .examples import Encoders, Example, loss_inputs
from .networks import Networks
from .objective import training_loss


class StageObjective:
    """Losses of a batch by its number; what is drawn for it is a function of that number.

    Args:
        networks: that are trained.
        encoders: that are not.
        examples: gives those of a batch from its stream of random numbers.
        seed: of batch 0; others have those after it.
        snr_gamma: see `training_loss`.
    """

    def __init__(
        self,
        networks: Networks,
        encoders: Encoders,
        examples: Callable[[Draws], Sequence[Example]],
        seed: int,
        snr_gamma: float | None = 5.0,
    ) -> None:
        self.networks, self.encoders, self.examples = networks, encoders, examples
        self.seed, self.snr_gamma = seed, snr_gamma

    def __call__(self, number: int) -> dict[str, Tensor]:
        """{"loss": a number}."""
        draws = Draws(self.seed + number)
        inputs = loss_inputs(self.examples(draws), self.encoders, draws)
        networks = self.networks
        loss = training_loss(
            networks.reference_unet,
            networks.denoising_unet,
            networks.pose_guider,
            **inputs,
            snr_gamma=self.snr_gamma,
        )
        return {"loss": loss}
