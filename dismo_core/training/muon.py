"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): steps along orthogonal matrices, for small networks that see few clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .precision import product_dtype

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, as published
SMALLEST = 32  # rows or columns; a smaller matrix is left to Adam
RATIO = 0.2  # root mean square of a step over the learning rate: that of AdamW (Liu et al. 2025, arXiv:2502.16982, section 2.2)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices within a network, convolutions taken as matrices [out, in x kernel]; Adam for everything else.

    A learning rate and a weight decay mean about what they mean to AdamW.

    Args:
        weights: that are trained, or groups of them.
        lr: learning rate.
        plain: weights that Adam trains whatever their shape: first and last layers, embeddings.
        momentum: of Muon.
        betas: of Adam.
        weight_decay: decoupled, of both.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        plain: Iterable[nn.Parameter] = (),
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.01,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        groups: list[Any] = list(weights)
        super().__init__(groups, options)
        self._plain = {id(p) for p in plain}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; weights without a gradient stay as they are."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - group["lr"] * group["weight_decay"])
                if self._is_matrix(p):
                    self._muon(p, p.grad, group)
                else:
                    self._adam(p, p.grad, group)

    def _is_matrix(self, p: Tensor) -> bool:
        return p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= SMALLEST and id(p) not in self._plain

    def _muon(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = torch.lerp(gradient, state["momentum"], group["momentum"]).flatten(1)  # Nesterov
        p.add_(orthogonal(ahead).view_as(p), alpha=-group["lr"] * RATIO * max(ahead.shape) ** 0.5)

    def _adam(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state |= {"steps": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["steps"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        steps = float(state["steps"])
        size = (state["square"] / (1 - second**steps)).sqrt() + 1e-8
        p.addcdiv_(state["mean"] / (1 - first**steps), size, value=-group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix with singular values 1, by Newton-Schulz steps; they end between 0.7 and 1.2."""
    a, b, c = COEFFICIENTS
    x = matrix.to(product_dtype(matrix.device) or matrix.dtype)
    tall = len(x) > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        product = x @ x.T
        x = a * x + (b * product + c * product @ product) @ x
    found: Tensor = (x.T if tall else x).to(matrix.dtype)
    return found
