"""Stops a computation where its numbers are none any more."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DisMoError


def require_finite(x: Tensor, stage: str) -> Tensor:
    """x, if it is finite.

    Raises:
        DisMoError: NaN or infinite values, with the stage after which they are there.
    """
    if not bool(torch.isfinite(x).all()):
        raise DisMoError(
            f"There are NaN or infinite values after {stage}. The precision is too low for this model (float16 often "
            "is; bfloat16 or fp32 is safe), or the weights are damaged."
        )
    return x
