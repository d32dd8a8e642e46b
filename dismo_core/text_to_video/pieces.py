"""The widest layers of the UNet frame by frame, where memory is short: the same numbers, and about half the memory of a pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

# Class of diffusers' transformer -> which dimension of what its blocks see are the frames.
_FRAMES = {"Transformer2DModel": 0, "TransformerTemporalModel": 1}


@contextlib.contextmanager
def feed_forward_by_frames(unet: nn.Module) -> Iterator[None]:
    """Within it, what follows the attentions sees one frame at a time; it is four to eight times as wide as all else.

    Args:
        unet: diffusers' UNet3DConditionModel.
    """
    blocks: list[tuple[Any, int]] = [
        (block, _FRAMES[type(module).__name__])
        for module in unet.modules()
        if type(module).__name__ in _FRAMES
        for block in module.get_submodule("transformer_blocks").children()
    ]
    for block, frames in blocks:
        block.set_chunk_feed_forward(1, frames)
    try:
        yield
    finally:
        for block, _ in blocks:
            block.set_chunk_feed_forward(None)
