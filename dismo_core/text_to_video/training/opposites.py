"""What a network knows of the words for motions: its error under the right words, and under the opposite ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...training.precision import fast_products

OPPOSITE = {"left": "right", "up": "down", "clockwise": "counterclockwise", "growing": "shrinking"}
OPPOSITE |= {after: before for before, after in OPPOSITE.items()}
PROBE_SEED = 20_261_128  # of its clips and noise


def opposite(text: str) -> str:
    """The same text with each word for a way or a sense turned round."""
    return " ".join(OPPOSITE.get(word, word) for word in text.split())


def told_apart(
    latents: Tensor, kept: Tensor, levels: Sequence[int], clean: Callable[[Tensor, int, bool], Tensor]
) -> dict[str, float]:
    """For each level the error of the clean latents, and by what share opposite words make it larger.

    Args:
        latents: [B, ...], of clips that move.
        kept: [1000], share of the signal's power by noise level.
        levels: of the noise.
        clean: (noisy latents, level, whether the words are the opposite ones) -> clean latents, float32, as the network says.

    Returns:
        `probe_LEVEL` and `probe_LEVEL_opposite` for each.
    """
    rows: dict[str, float] = {}
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(PROBE_SEED))
    with torch.no_grad(), fast_products("cpu"):
        for level in levels:
            noisy = kept[level].sqrt() * latents + (1 - kept[level]).sqrt() * noise
            right, wrong = (float((clean(noisy, level, turned) - latents).square().mean()) for turned in (False, True))
            rows |= {f"probe_{level}": right, f"probe_{level}_opposite": wrong / right - 1}
    return rows
