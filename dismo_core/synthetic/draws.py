"""Random numbers that are the same on every device: drawn on the CPU, used where the model is."""

from __future__ import annotations

import torch
from torch import Tensor


class Draws:
    """A seeded stream of random tensors on `device`."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._rng = torch.Generator().manual_seed(seed)

    def rand(self, *shape: int) -> Tensor:
        """Even in 0..1."""
        return torch.rand(shape, generator=self._rng).to(self.device)

    def randn(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(shape, generator=self._rng).to(self.device)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers in low..high-1."""
        return torch.randint(low, high, shape, generator=self._rng).to(self.device)

    def choices(self, weight: Tensor, *shape: int) -> Tensor:
        """Indices of `weight` [N], each as likely as its weight."""
        count = int(torch.Size(shape).numel())
        drawn = torch.multinomial(weight, count, replacement=True, generator=self._rng)
        return drawn.view(shape).to(self.device)

    def uniform(self, low: float, high: float) -> float:
        """One number, even in low..high."""
        return float(torch.empty(()).uniform_(low, high, generator=self._rng))

    def tensor(self, *values: float) -> Tensor:
        """These numbers, where the drawn ones are."""
        return torch.tensor(values, device=self.device)
