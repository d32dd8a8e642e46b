"""Exponential average of the weights that are trained (Polyak averaging)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

PREFIX = "module."  # names and counter as those of torch's AveragedModel
COUNT = "n_averaged"


class Average:
    """Average of the trained weights of a model, kept beside it; frozen weights and modules are not copied.

    In float32 at least: in bfloat16 a ten-thousandth of a difference rounds to nothing.

    Args:
        model: parameters with requires_grad are averaged.
        decay: of the average, 0..1.
        ramped: the first update takes the weights as they are, then the decay grows from 2/11 to its value, as (1 + n) / (10 + n)
            after n updates: otherwise what a short run ends with would mostly be what it began with. Else the average begins with
            the weights as they are now, and the decay is the same throughout.
    """

    def __init__(self, model: nn.Module, decay: float, ramped: bool = True) -> None:
        self.weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
        self.values = {name: _wide(p).clone() for name, p in self.weights.items()}
        self.updates = 0
        self.decay, self.ramped = decay, ramped

    def update(self) -> None:
        """After an optimizer step."""
        if self.updates == 0 and self.ramped:
            _copy(self.weights, self.values)
        else:
            grown = (1 + self.updates) / (10 + self.updates) if self.ramped else 1.0
            step = torch.optim.swa_utils.get_ema_multi_avg_fn(min(self.decay, grown))
            step(list(self.values.values()), [_wide(p) for p in self.weights.values()], self.updates)
        self.updates += 1

    def apply(self) -> None:
        """Give the model the averaged weights for good."""
        _copy(self.values, self.weights)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights."""
        held = {name: p.clone() for name, p in self.weights.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(held, self.weights)

    def state_dict(self) -> dict[str, Tensor]:
        """Averages and how many updates they hold."""
        return {COUNT: torch.tensor(self.updates)} | {PREFIX + name: v for name, v in self.values.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Resume from `state`; it may hold more names."""
        _copy({name: state[PREFIX + name] for name in self.values}, self.values)
        self.updates = int(state[COUNT])


def _wide(p: Tensor) -> Tensor:
    return p.to(torch.promote_types(p.dtype, torch.float32))


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
