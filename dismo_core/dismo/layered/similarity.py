"""Similarities of the plane (shift, scale, rotation) as complex numbers: z -> a z + b.

A step is kept as the logarithm of a similarity, (rate, shift) with a = exp(rate) and b = shift (exp(rate) - 1) / rate. The
real part of the rate is a logarithm of scale, the imaginary part a clockwise turn in radians (y points down).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TINY = 1e-6  # below this rate the series is used: the quotient loses its digits


@dataclass(frozen=True)
class Similarity:
    """z -> scale z + shift, for any number of them at once.

    Args:
        scale: complex [...]; its absolute value is the growth, its angle the turn.
        shift: complex [...], x + iy.
    """

    scale: Tensor
    shift: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        """Points, complex, moved."""
        return self.scale * points + self.shift

    def __getitem__(self, which: Any) -> Similarity:
        return Similarity(self.scale[which], self.shift[which])

    def after(self, first: Similarity) -> Similarity:
        """This one, applied after `first`."""
        return Similarity(self.scale * first.scale, self.scale * first.shift + self.shift)

    def inverse(self) -> Similarity:
        """What undoes it."""
        return Similarity(1 / self.scale, -self.shift / self.scale)

    def about(self, point: Tensor | complex) -> Similarity:
        """The same scale and turn about `point`, which then moves by the shift."""
        return Similarity(self.scale, self.shift + point - self.scale * point)


def exponential(rate: Tensor, shift: Tensor) -> Similarity:
    """The similarity of a logarithm, complex [...] both."""
    return Similarity(rate.exp(), shift * _quotient(rate))


def logarithm(similarity: Similarity) -> tuple[Tensor, Tensor]:
    """(rate, shift) of similarities that turn by less than half a circle."""
    rate = similarity.scale.log()
    return rate, similarity.shift / _quotient(rate)


def _quotient(rate: Tensor) -> Tensor:
    """(exp(rate) - 1) / rate."""
    small = rate.abs() < TINY
    safe = torch.where(small, torch.ones_like(rate), rate)
    return torch.where(small, 1 + rate / 2, (safe.exp() - 1) / safe)
