"""The segmenter of the layered model, trained on drawn pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...training.loop import Schedule, TrainingRun, fit
from ..layered.segmenter import Segmenter
from .drawn_things import PictureGenerator

PIXELS = 131_072  # of all pictures of a step
SCHEDULE = Schedule(steps=5000, lr=2e-3, warmup=100, average=0.998, save_every=500, log_every=50, draw_every=100_000)


def mask_losses(logits: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Cross-entropy, and how little prediction and mask overlap (soft intersection over union), picture by picture.

    Args:
        logits: [B, H, W].
        masks: [B, H, W], 0..1.
    """
    found = logits.sigmoid()
    both = torch.minimum(found, masks).sum(dim=(1, 2))
    either = torch.maximum(found, masks).sum(dim=(1, 2))
    overlap = ((both + 1) / (either + 1)).mean()
    entropy = binary_cross_entropy_with_logits(logits, masks)
    return {"loss": entropy + 0.5 * (1 - overlap), "entropy": entropy, "overlap": overlap}


def train_segmenter(
    folder: Path,
    schedule: Schedule = SCHEDULE,
    *,
    seed: int = 0,
    pixels: int = PIXELS,
    start: Segmenter | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Segmenter:
    """Train, or resume in `folder`; see `fit` for what it leaves there.

    Args:
        folder: of the run.
        schedule: how long and how fast.
        seed: of the pictures and of the weights.
        pixels: of all pictures of a step.
        start: begin with its weights; None = at random.
        progress: see `fit`.
    """
    torch.manual_seed(seed)
    model = start or Segmenter()
    model.requires_grad_(True).train()
    pictures = PictureGenerator(seed)

    def losses(number: int) -> dict[str, Tensor]:
        images, masks = pictures.batch(number, pixels)
        return mask_losses(model(images), masks)

    about: dict[str, int | float | str] = {
        "segmenter": "x".join(map(str, model.widths)),
        "seed": seed,
        "pixels": pixels,
    }
    fit(model, losses, TrainingRun(folder, schedule, about=about, progress=progress))
    return model.eval().requires_grad_(False)
