"""What a sampling starts from: plain noise of a seed, or noise mixed with the inversion of a clip."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import DisMoError

log = logging.getLogger(__name__)


def start_noise(shape: Sequence[int], seed: int, *, dtype: torch.dtype = torch.float16) -> Tensor:
    """Normal noise of a seed, drawn on the CPU, so that a seed means the same on every machine.

    Args:
        shape: of the latents, such as (B, 4, F, h, w).
        seed: any integer that torch takes.
        dtype: in which it is drawn. Where 16 divides the number of numbers, as at all usual sizes, dtypes differ by rounding alone.
    """
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mix_noise_prior(inversion: Tensor, noise: Tensor, prior: float, *, renormalise: bool = True) -> Tensor:
    """sqrt(prior) * inversion + sqrt(1 - prior) * noise: the variance stays 1 where both have it.

    The inversion is resized to the frames of the noise (bilinear, frame by frame); one of another length is cut, or repeated
    from its beginning, with a warning.

    Args:
        inversion: noise that a clip was inverted to, [B or 1,C,F',h',w'].
        noise: [B,C,F,h,w].
        prior: share of the inversion's variance, 0..1.
        renormalise: after a resize, which averages neighbours and so shrinks the variance, bring each channel of each video back
            to a standard deviation of 1.

    Returns:
        [B,C,F,h,w], in the wider of the two dtypes.

    Raises:
        DisMoError: prior outside 0..1, or batches or channels that do not fit.
    """
    if not 0 <= prior <= 1:
        raise DisMoError(f"The noise prior is a share of 0 to 1, not {prior:g}. 0 is plain noise, 1 the clip's own.")
    if inversion.ndim != 5 or inversion.shape[1] != noise.shape[1] or len(inversion) not in (1, len(noise)):
        raise DisMoError(
            f"The inversion has the shape {list(inversion.shape)}, the noise {list(noise.shape)}; batch (or 1) and channels must agree."
        )
    dtype = torch.promote_types(inversion.dtype, noise.dtype)
    wanted, mixed = noise.float(), inversion.to(noise.device).float()
    if mixed.shape[2] != (frames := wanted.shape[2]):
        log.warning(
            "The noise prior has %d frames, and %d are made: it is %s.",
            mixed.shape[2], frames, "cut" if mixed.shape[2] > frames else "repeated from its beginning",
        )  # fmt: skip
        mixed = mixed[:, :, torch.arange(frames, device=mixed.device) % mixed.shape[2]]
    if mixed.shape[3:] != wanted.shape[3:]:
        batch = len(mixed)
        flat = mixed.transpose(1, 2).flatten(0, 1)
        flat = interpolate(flat, size=tuple(wanted.shape[3:]), mode="bilinear", align_corners=False)
        mixed = flat.unflatten(0, (batch, frames)).transpose(1, 2)
        if renormalise:
            mixed = mixed / mixed.std(dim=(2, 3, 4), keepdim=True).clamp(min=1e-6)
    start: Tensor = prior**0.5 * mixed + (1 - prior) ** 0.5 * wanted
    return start.to(dtype)
