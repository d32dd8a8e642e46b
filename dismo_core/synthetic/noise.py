"""Random fields of a chosen spectrum, the grain of every drawn texture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def colored_noise(
    white: Tensor,
    gain: Callable[[Tensor], Tensor],
    angle: float = 0.0,
    along: float = 1.0,
    across: float = 1.0,
) -> Tensor:
    """Periodic fields [..., side, side] without a mean.

    Args:
        white: Fourier coefficients of white noise, complex [..., side, side] or, of a real field, half of them: [..., side, side // 2 + 1].
        gain: factor on a coefficient by its frequency, in cycles a side.
        angle: orientation of the grain, radians.
        along: factor on the frequency along `angle`: above 1 makes the grain longer that way, where `gain` falls.
        across: the same across it.
    """
    side, half = white.shape[-2], white.shape[-1] != white.shape[-2]
    kind, place = white.real.dtype, white.device
    fy = torch.fft.fftfreq(side, dtype=kind, device=place)[:, None] * side
    fx = (torch.fft.rfftfreq if half else torch.fft.fftfreq)(side, dtype=kind, device=place)[None] * side
    c, s = math.cos(angle), math.sin(angle)
    frequency = torch.sqrt((along * (c * fx + s * fy)).square() + (across * (c * fy - s * fx)).square())
    spectrum = gain(frequency)
    spectrum[0, 0] = 0
    field: Tensor = (
        torch.fft.irfft2(white * spectrum, s=(side, side)) if half else torch.fft.ifft2(white * spectrum).real
    )
    return field
