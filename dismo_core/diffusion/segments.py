"""Videos longer than a model makes at once: segments one after the other, each beginning with a frame of the one before.

The last `overlap` frames of a segment are made again by the next one, for models whose last frames are worse than the
others. So a segment of T frames is followed from frame T - 1 - overlap, and adds T - 1 - overlap new frames. Only the last
segment keeps its tail. S whole segments make

    frames(S) = S (T - 1 - overlap) + 1 + overlap      (25, 45, 65, ... for T = 25 and overlap = 4)

Any other length comes by starting the last segment earlier, inside the one before: it too has T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DisMoError


@dataclass(frozen=True)
class Segment:
    """Frames made in one go.

    Args:
        start: frame of the video that it begins with; it is the picture, or the segment before has made it.
        length: frames that are made.
        end: its frames go into the video up to this one of the video, exclusive.
    """

    start: int
    length: int
    end: int

    @property
    def kept(self) -> slice:
        """Those of its own frames that go into the video; the frame it begins with is there already, but for the first."""
        return slice(1 if self.start else 0, self.end - self.start)

    @property
    def middle(self) -> float:
        """The middle of the frames that it adds to the video."""
        return (self.start + self.end) / 2


def possible_lengths(frames: int, direct: Sequence[int]) -> list[int]:
    """Lengths of at most `frames` that can be made: those of `direct`, and any above its last.

    Args:
        direct: frame counts that the model makes in one go, ascending.
    """
    return [n for n in direct if n <= frames] + list(range(direct[-1] + 1, frames + 1))


def plan_segments(frames: int, direct: Sequence[int], length: int, overlap: int) -> list[Segment]:
    """The segments of a video; a single one where the model can make it in one go.

    Args:
        frames: of the video.
        direct: frame counts that the model makes in one go, ascending.
        length: frames of each segment of a longer video.
        overlap: last frames of a segment that the next one makes again.

    Raises:
        DisMoError: a length that cannot be made.
    """
    if frames in direct:
        return [Segment(0, frames, frames)]
    if frames < direct[-1]:
        raise DisMoError(
            f"{frames} frames cannot be generated; the possible lengths are {', '.join(map(str, direct))}, and any number "
            f"above {direct[-1]}. Trim the motion."
        )
    last = frames - length
    starts = [*range(0, last, length - 1 - overlap), last]
    # a frame that a segment begins with belongs to the segment before
    ends = [start + 1 for start in starts[1:]] + [frames]
    return [Segment(start, length, end) for start, end in zip(starts, ends, strict=True)]
