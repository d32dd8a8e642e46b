"""Other pictures in the place of the content frame, so that motion comes from the motion latent and any picture can move (ours)."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..clips import middle_of

LEAST_BLUR, MOST_BLUR = 0.5, 2.0  # standard deviation, px
StandIn = Callable[
    [Tensor, Tensor], tuple[Tensor, Tensor]
]  # content frames and clips -> what is decoded, and the clips to come out


def as_encoded(content: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """The content frames [B,C,H,W] as they are, for the clips [B,C,L,H,W] as they are."""
    return content, clips


def middle_frame(content: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """The middle frame of each clip, a sharp picture, in the place of its content frame."""
    return middle_of(clips), clips


def blurred(content: Tensor, clips: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """The content frames blurred, for the clips blurred alike.

    Args:
        content: [B,C,H,W].
        clips: [B,C,L,H,W].
        deviation: of the Gaussian, px.
    """
    reach = round(3 * deviation)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1.0) / deviation) ** 2) / 2).to(clips)
    kernel = kernel / kernel.sum()

    def blur(pictures: Tensor) -> Tensor:
        flat = pictures.flatten(0, -3)[:, None]
        flat = F.pad(flat, (reach,) * 4, mode="replicate")
        flat = F.conv2d(F.conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None])
        return flat.view(pictures.shape)

    return blur(content), blur(clips)


def stand_in_of_batch(number: int, share: float, seed: int) -> StandIn:
    """What is done to the content frames of a batch: in a share of the batches one of the two, each half as often.

    Args:
        number: of the batch in the run.
        share: of the batches.
        seed: of the run.
    """
    draws = random.Random(f"content edits/{seed}/{number}")
    if draws.random() >= share:
        return as_encoded
    if draws.random() < 0.5:
        return middle_frame
    return partial(blurred, deviation=draws.uniform(LEAST_BLUR, MOST_BLUR))
