"""A single frame has no motion: what looks across frames is skipped, as this family was trained (docs/methods/motiondirector.md, 6.3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

SKIPPED = ("TransformerTemporalModel", "TemporalConvLayer")  # of diffusers


@contextlib.contextmanager
def single_frame_bypass(unet: nn.Module) -> Iterator[None]:
    """Within it, one frame passes every temporal transformer and temporal convolution unchanged; clips go as ever.

    Args:
        unet: diffusers' UNet3DConditionModel.
    """
    modules: list[Any] = [module for module in unet.modules() if type(module).__name__ in SKIPPED]
    held = [(module, module.__dict__.get("forward")) for module in modules]
    try:
        for module in modules:
            module.forward = _skipping(module.forward, wrapped=type(module).__name__ == SKIPPED[0])
        yield
    finally:
        for module, forward in held:
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = forward


def _skipping(forward: Any, *, wrapped: bool) -> Any:
    """wrapped: whether the output comes in a tuple."""

    def run(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
        if options.get("num_frames") != 1:
            return forward(hidden_states, *args, **options)
        return (hidden_states,) if wrapped else hidden_states

    return run
