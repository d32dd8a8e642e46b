"""Carry a generator over to an extractor that learned on: what its motion projection read before, it reads again."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.generator import FrameGenerator


@torch.no_grad()
def remap(generator: FrameGenerator, before: Tensor, after: Tensor) -> None:
    """Fit `before` to `after` by least squares and put that before the motion projection of `generator`, in place.

    Args:
        before: embeddings [N, d_motion] of the extractor that `generator` knows; on the CPU.
        after: embeddings [N, d_motion] of the same frames, of the new extractor; on the CPU.
    """
    turned = torch.linalg.lstsq(after.double(), before.double()).solution  # before = after @ turned, nearly
    weight = generator.motion_proj.weight[:, : generator.d_motion]
    weight.copy_(weight.cpu().double() @ turned.T)
