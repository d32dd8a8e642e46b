"""Activations computed a second time instead of kept, block by block (Chen et al. 2016, arXiv:1604.06174, section 4).

diffusers offers none for this UNet. The pieces are those of the published code: each residual block, temporal convolution and
transformer by itself, so that a frame that bypasses some of them bypasses them in both computations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

PIECES = ("ResnetBlock2D", "TemporalConvLayer", "Transformer2DModel", "TransformerTemporalModel")  # of diffusers


def checkpoint_blocks(
    unet: nn.Module, remembered: Callable[[], Callable[[], AbstractContextManager[None]]]
) -> Callable[[], None]:
    """From now on keep no activations inside the pieces of a UNet.

    Args:
        unet: diffusers' UNet3DConditionModel.
        remembered: called in the first computation; gives what makes the second one run as the first did, see
            `DualPathLoRA.remembered`.

    Returns:
        What undoes it.
    """
    modules: list[Any] = [module for module in unet.modules() if type(module).__name__ in PIECES]
    for module in modules:
        module.forward = _recomputed(module.forward, remembered)

    def undo() -> None:
        for module in modules:
            module.__dict__.pop("forward", None)

    return undo


def _recomputed(forward: Any, remembered: Callable[[], Callable[[], AbstractContextManager[None]]]) -> Any:
    def run(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **options)
        again = remembered()
        return checkpoint(
            forward, *args, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), again()), **options
        )

    return run
