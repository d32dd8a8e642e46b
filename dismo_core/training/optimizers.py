"""AdamW in two precisions of its moments, which lie where their weights lie."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError

OPTIMIZERS = ("adamw", "adamw8bit")


def make_adamw(
    weights: list[nn.Parameter] | list[dict[str, Any]], kind: str = "adamw", **options: Any
) -> torch.optim.Optimizer:
    """An optimizer whose moments follow weights that were moved to another device since the last step.

    Args:
        weights: that are trained, or groups of them; some of them may lie on the host while they are not.
        kind: "adamw", or "adamw8bit" (Dettmers et al. 2022, arXiv:2110.02861) with moments of 8 bits, by bitsandbytes.
        options: lr, betas, eps, weight_decay.

    Raises:
        DisMoError: no such kind, or bitsandbytes is not installed.
    """
    check_optimizer(kind)
    optimizer: torch.optim.Optimizer
    if kind == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        optimizer = AdamW8bit(weights, **options)
    else:
        optimizer = torch.optim.AdamW(weights, **options)

    def follow(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        for weight, state in optimizer.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.ndim and value.device != weight.device:
                    state[name] = value.to(weight.device)

    optimizer.register_step_pre_hook(follow)
    return optimizer


def check_optimizer(kind: str) -> None:
    """Raise where `make_adamw` would; asked before long work."""
    if kind not in OPTIMIZERS:
        raise DisMoError(f"There is no optimizer {kind!r}. Choose one of {', '.join(OPTIMIZERS)}.")
    if kind == "adamw8bit":
        try:
            import bitsandbytes.optim  # noqa: F401
        except ImportError as error:
            raise DisMoError(
                f"The optimizer adamw8bit needs bitsandbytes, which does not load here ({error}). Install it (pip install bitsandbytes), "
                "or choose adamw."
            ) from error
