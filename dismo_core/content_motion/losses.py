"""The loss of the autoencoder (docs/methods/content_motion.md, 6.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisMoError

WEIGHT = 4.0  # of each part, in pixel mode


def reconstruction_loss(
    clip: Tensor,
    reconstruction: Tensor,
    mode: str = "pixel",
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    frame: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Scalars: "loss", and its parts "l1" and "lpips", or "mse" in latent mode.

    The adversarial parts of the release have the weight 0 as long as it trains, and are left out.

    Args:
        clip: [B,C,L,H,W].
        reconstruction: likewise.
        mode: "pixel" or "latent".
        perceptual: LPIPS or alike, [B,C,H,W] twice -> [B]; None = L1 alone.
        frame: int64 [B], the frame of each clip that `perceptual` compares; None = drawn from all.
        generator: on the CPU, for that draw.

    Raises:
        DisMoError: shapes that differ, or no such mode.
    """
    if clip.shape != reconstruction.shape:
        raise DisMoError(f"Clip {list(clip.shape)} and reconstruction {list(reconstruction.shape)} differ in shape.")
    if mode == "latent":
        mse = F.mse_loss(reconstruction, clip)
        return {"loss": mse, "mse": mse}
    if mode != "pixel":
        raise DisMoError(f"There is no mode {mode!r}: choose 'pixel' or 'latent'.")
    parts = {"l1": F.l1_loss(reconstruction, clip)}
    if perceptual is not None:
        if frame is None:
            frame = torch.randint(clip.shape[2], (len(clip),), generator=generator)
        each, frame = torch.arange(len(clip), device=clip.device), frame.to(clip.device)
        parts["lpips"] = perceptual(clip[each, :, frame], reconstruction[each, :, frame]).mean()
    return {"loss": WEIGHT * torch.stack(list(parts.values())).sum(), **parts}
