"""What CogVideoX can make: lengths, steps, sizes; anything else is refused before any work is done."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DisMoError

log = logging.getLogger(__name__)

LENGTH_STEP = 8  # an odd number of latent frames, else the VAE gives another number of frames
TRAIN_STEPS = 1000


def valid_lengths(longest: int) -> list[int]:
    """Frame counts that can be generated: 9, 17, ... up to the base's own length."""
    return list(range(LENGTH_STEP + 1, longest + 1, LENGTH_STEP))


def require_length(frames: int, longest: int) -> None:
    """Raise unless `frames` can be generated."""
    lengths = valid_lengths(longest)
    if frames not in lengths:
        nearest = sorted(sorted(lengths, key=lambda length: abs(length - frames))[:2])
        raise DisMoError(
            f"{frames} frames cannot be generated; the possible lengths are {', '.join(map(str, lengths))}. "
            f"Nearest: {' and '.join(map(str, nearest))}."
        )


def require_factors(guidance: float, strength: float) -> None:
    """Raise unless these are numbers that values can be multiplied by."""
    for name, value, usual in (("guidance", guidance, "at most 1 = none, 6"), ("strength", strength, "0 = none, 1")):
        if not abs(value) <= 1000:
            raise DisMoError(f"A {name} of {value} is out of range: {usual} is usual.")


def require_size(video: Tensor, size: tuple[int, int]) -> None:
    """Raise unless a video [T,H,W,3] has the base's own size."""
    if tuple(video.shape[1:3]) != size:
        raise DisMoError(
            f"The video is {video.shape[2]}x{video.shape[1]} px; this base works at {size[1]}x{size[0]} only. Resize it first."
        )


def require_same_count(**counts: int) -> None:
    """Raise unless all counts agree."""
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise DisMoError(f"There are {given}; one of each per sample is needed.")


def valid_steps(steps: int) -> tuple[int, int]:
    """The two nearest step counts that divide 1000, at or below `steps` and at or above it."""
    divisors = [n for n in range(1, TRAIN_STEPS + 1) if TRAIN_STEPS % n == 0]
    return max(n for n in divisors if n <= steps), min(n for n in divisors if n >= steps)


def require_steps(steps: int, *, strict: bool = False) -> None:
    """Raise unless 1 <= steps <= 1000; a count that does not divide 1000 is an error if `strict`, else a warning."""
    if not 1 <= steps <= TRAIN_STEPS:
        raise DisMoError(f"steps must be 1 to {TRAIN_STEPS}, not {steps}.")
    if TRAIN_STEPS % steps:
        below, above = valid_steps(steps)
        message = (
            f"{steps} steps do not divide {TRAIN_STEPS}: the solver's times would be off and noise would remain. "
            f"Take {below} or {above}."
        )
        if strict:
            raise DisMoError(message)
        log.warning(message)


def one_generator_each(
    generator: torch.Generator | Sequence[torch.Generator] | None, count: int
) -> list[torch.Generator | None]:
    """The generator of every sample; a single one serves all in turn.

    Raises:
        DisMoError: a list of another length.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return [generator] * count
    require_same_count(generators=len(generator), samples=count)
    return list(generator)
