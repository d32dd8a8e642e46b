"""Edit and mix motions. Every function returns a new `Motion`; trimming and strength are methods of `Motion` itself.

A motion of F frames has F - 1 steps from frame to frame, and its embedding i looks over the steps i to i + 3. Edits cut and
join steps, so lengths add up as in a video whose last frame is the first of what follows: 25 and 25 frames make 49. An
embedding that looks across a seam is the mean of the embeddings on both sides, weighted by the steps each has in view.

Playing embeddings backwards does not reverse a motion, because each looks forward. That and another speed are done where
the clip is read: `extract_motion(reverse=..., fps=...)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DisMoError
from .motion import LOOK_AHEAD, Motion

if TYPE_CHECKING:
    from torch import Tensor

SAME_FPS = 1e-4  # relative; 29.97 and 30000/1001 are one rate
MAX_FRAMES = 500_000  # of a motion that an edit makes: hours, and still some hundred megabytes


def hold(motion: Motion, frame: int, count: int) -> Motion:
    """Go on for `count` more frames as the motion does at `frame`, then continue: F + count frames.

    Args:
        frame: 0 .. F - 1.
        count: at least 1.

    Raises:
        DisMoError: out of range, or longer than `MAX_FRAMES`.
    """
    return _with_inserted(motion, frame, count, None)


def pause(motion: Motion, frame: int, count: int) -> Motion:
    """Stand still for `count` frames at `frame`, then continue: F + count frames.

    Args:
        frame: 0 .. F - 1.
        count: at least 1.

    Raises:
        DisMoError: out of range, longer than `MAX_FRAMES`, or no `still` embedding is stored.
    """
    if motion.still is None:
        raise DisMoError(
            "A pause needs the embedding of the still first frame, which this motion does not hold. "
            "Extract the motion again with this version."
        )
    return _with_inserted(motion, frame, count, motion.still)


def loop(motion: Motion, times: int, crossfade: int = 0) -> Motion:
    """Play a motion `times` times: times (F - 1) + 1 frames, less `crossfade` at each seam.

    Raises:
        DisMoError: times below 1, longer than `MAX_FRAMES`, or a crossfade that `chain` refuses.
    """
    if times < 1:
        raise DisMoError(f"A motion is played at least once, not {times} times.")
    _require_length(times * (motion.frames - 1) + 1 - (times - 1) * crossfade)
    return chain([motion] * times, crossfade)


def reverse_order(motion: Motion) -> Motion:
    """The embeddings in the opposite order, F frames. What comes last now comes first, but every stretch still moves forward."""
    return replace(motion, embeddings=motion.embeddings.flip(0))


def blend(first: Motion, second: Motion, balance: float = 0.5) -> Motion:
    """Do both at once: frame by frame between two motions, as long as the shorter of the two.

    Args:
        balance: 0 = the first alone .. 1 = the second alone.

    Raises:
        DisMoError: balance out of range, or motions that do not go together.
    """
    if not 0 <= balance <= 1:
        raise DisMoError(f"The balance of a blend lies between 0 (first motion) and 1 (second motion), not {balance}.")
    _require_one_kind([first, second])
    frames = min(first.frames, second.frames)
    a, b = (motion.trimmed(frames).embeddings for motion in (first, second))
    lengths = (1 - balance) * a.norm(dim=-1) + balance * b.norm(dim=-1)
    return _merged([first, second], _of_length((1 - balance) * a + balance * b, lengths))


def chain(motions: Sequence[Motion], crossfade: int = 0) -> Motion:
    """One motion after the other: the sum of (F - 1), plus 1 frames, less `crossfade` at each seam.

    Args:
        motions: at least one, of one extractor and rate.
        crossfade: frames over which one motion turns into the next, both running; 0 = one ends, the next begins. At most
            half of the shortest motion.

    Raises:
        DisMoError: no motion, motions that do not go together, longer than `MAX_FRAMES`, or a crossfade out of range.
    """
    if not motions:
        raise DisMoError("There is no motion to chain. Give at least one.")
    _require_one_kind(motions)
    shortest = min(motion.frames for motion in motions)
    if not 0 <= crossfade <= (shortest - 1) // 2:
        raise DisMoError(
            f"A crossfade of {crossfade} frames is out of range: the shortest motion has {shortest} frames, "
            f"which allows 0 to {(shortest - 1) // 2}."
        )
    _require_length(sum(motion.frames - 1 for motion in motions) + 1 - (len(motions) - 1) * crossfade)
    return _merged(motions, _joined([_steps(motion) for motion in motions], crossfade))


def _steps(motion: Motion) -> Tensor:
    """One row a step, [F - 1, d]: the embedding that begins there; the last three steps have the last embedding."""
    import torch

    return torch.cat([motion.embeddings, motion.embeddings[-1:].expand(LOOK_AHEAD - 1, -1)])


def _with_inserted(motion: Motion, frame: int, count: int, row: Tensor | None) -> Motion:
    """`count` steps like `row` (None: as at `frame`) before step `frame`."""
    if not 0 <= frame < motion.frames:
        raise DisMoError(f"There is no frame {frame} in a motion of {motion.frames}; choose 0 to {motion.frames - 1}.")
    if count < 1:
        raise DisMoError(f"The number of frames to add must be at least 1, not {count}.")
    _require_length(motion.frames + count)
    steps = _steps(motion)
    if row is None:
        row = steps[min(frame, len(steps) - 1)]
    parts = [steps[:frame], row.expand(count, -1), steps[frame:]]
    return replace(motion, embeddings=_joined([part for part in parts if len(part)], 0))


def _joined(parts: Sequence[Tensor], crossfade: int) -> Tensor:
    """Embeddings of parts [S_i, d], one row a step each, that follow each other and overlap by `crossfade` steps."""
    import torch
    from torch.nn import functional as F

    total = sum(len(part) for part in parts) - crossfade * (len(parts) - 1)
    windows = total - LOOK_AHEAD + 1
    fade = torch.arange(1, crossfade + 1) / (crossfade + 1)
    sums, lengths, begin = torch.zeros(windows, parts[0].shape[1]), torch.zeros(windows), 0
    for i, part in enumerate(parts):
        end = begin + len(part)
        seen = slice(max(0, begin - LOOK_AHEAD + 1), min(end, windows))  # the windows with a step of this part in view
        share = torch.zeros(seen.stop - seen.start + LOOK_AHEAD - 1)  # of the steps that they view
        share[begin - seen.start : end - seen.start] = 1
        if i > 0:
            share[begin - seen.start :][:crossfade] = fade
        if i < len(parts) - 1:
            share[end - crossfade - seen.start :][:crossfade] = 1 - fade
        in_view = F.avg_pool1d(share[None], LOOK_AHEAD, stride=1)[0]
        rows = part[torch.arange(seen.start - begin, seen.stop - begin).clamp(0, len(part) - 1)]
        sums[seen] += rows * in_view[:, None]
        lengths[seen] += rows.norm(dim=-1) * in_view
        begin = end - crossfade
    return _of_length(sums, lengths)


def _of_length(rows: Tensor, lengths: Tensor) -> Tensor:
    """Rows [P, d] brought to lengths [P]: a mean of vectors is shorter than they are."""
    result: Tensor = rows * (lengths / rows.norm(dim=-1).clamp_min(1e-12))[:, None]
    return result


def _merged(motions: Sequence[Motion], embeddings: Tensor) -> Motion:
    """`embeddings` with what the motions say of themselves; `still` is the first one's that has it."""
    still = next((motion.still for motion in motions if motion.still is not None), None)
    names = dict.fromkeys(motion.source for motion in motions if motion.source)
    return replace(motions[0], embeddings=embeddings, still=still, source=" + ".join(names))


def _require_length(frames: int) -> None:
    if frames > MAX_FRAMES:
        raise DisMoError(
            f"The motion would have {frames} frames; at most {MAX_FRAMES} can be made. Repeat or add fewer."
        )


def _require_one_kind(motions: Sequence[Motion]) -> None:
    first = motions[0]
    for other in motions[1:]:
        if (other.extractor, other.embeddings.shape[1]) != (first.extractor, first.embeddings.shape[1]):
            raise DisMoError(
                f"Motions of different extractors do not mix: {_named(first)} is by {first.extractor or 'an unknown one'}, "
                f"{_named(other)} by {other.extractor or 'an unknown one'}. Extract both with the same extractor."
            )
        if not math.isclose(other.fps, first.fps, rel_tol=SAME_FPS):
            raise DisMoError(
                f"Motions of different rates do not mix: {_named(first)} is at {first.fps:g} fps, "
                f"{_named(other)} at {other.fps:g}. Extract both at the same fps."
            )


def _named(motion: Motion) -> str:
    return f"the motion of {motion.source}" if motion.source else "an unnamed motion"
