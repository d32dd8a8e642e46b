"""From motion embeddings to one condition per latent frame (docs/methods/dismo.md, 7.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models.layers import Mapping

GROUP = 4  # video frames of a latent frame, but for the first


class ConditionEncoder(nn.Module):
    """A GRU over groups of four embeddings, a mapping network, and a learned padding for the last latent frame.

    Every group starts from the same learned state. The parameters bear the names of the released adapter.

    Args:
        d_motion: width of an embedding.
        d_cond: width of a condition.
    """

    def __init__(self, d_motion: int, d_cond: int) -> None:
        super().__init__()
        self.init_gru_state = nn.Parameter(torch.zeros(d_cond))
        self.final_latent_cond_padding = nn.Parameter(torch.zeros(1, 1, d_cond))
        self.gru = nn.GRUCell(d_motion, d_cond)
        self.mapping = Mapping(d_cond, depth=1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Embeddings [B,P,d_motion], P = 1 (mod 4) -> conditions [B, (P-1)/4 + 2, d_cond], one per latent frame."""
        batch = len(embeddings)
        first = self.gru(embeddings[:, 0], self.init_gru_state.expand(batch, -1))
        groups = embeddings[:, 1:].unflatten(1, (-1, GROUP)).flatten(0, 1)
        state = self.init_gru_state.expand(len(groups), -1)
        for step in groups.unbind(1):
            state = self.gru(step, state)
        states = torch.cat((first[:, None], state.unflatten(0, (batch, -1))), dim=1)
        return torch.cat((self.mapping(states), self.final_latent_cond_padding.expand(batch, -1, -1)), dim=1)
