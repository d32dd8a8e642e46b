"""Videos longer than the model makes at once: segments, each going on from a frame of the one before.

The last four frames of a segment carry a learned padding and no motion (specs/dismo.md, 6.2). So a segment of T frames is
followed from frame T-5, the last one with a motion of its own, and the four after it are dropped: it adds T-5 new frames,
20 of 25. Only the last segment keeps its tail. S whole segments make

    frames(S) = S (T - 5) + 5      (25, 45, 65, ... for T = 25)

and any other length comes by starting the last segment earlier, in the midst of the one before: it too has T frames, each
with the embedding that belongs to its place in the video.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DisMoError
from ..motion import LOOK_AHEAD
from .checks import TRAINED_FRAMES, valid_lengths


@dataclass(frozen=True)
class Segment:
    """Frames made in one go.

    Args:
        start: frame of the video that it begins with; it is the picture, or the segment before has made it.
        length: frames that are made. It needs the embeddings `motion` of the video's motion.
        end: its frames go into the video up to this one of the video, exclusive.
    """

    start: int
    length: int
    end: int

    @property
    def motion(self) -> slice:
        """Its rows of the embeddings."""
        return slice(self.start, self.start + self.length - LOOK_AHEAD)

    @property
    def kept(self) -> slice:
        """Those of its own frames that go into the video; the frame it begins with is there already, but for the first."""
        return slice(1 if self.start else 0, self.end - self.start)


def possible_lengths(frames: int, longest: int) -> list[int]:
    """Lengths that can be made from a motion of `frames` frames: 9, 17, ... in one go, and any above `longest`.

    Args:
        longest: frames that the base makes in one go.
    """
    direct = valid_lengths(longest)
    return [n for n in direct if n <= frames] + list(range(direct[-1] + 1, frames + 1))


def plan_segments(frames: int, longest: int, keep_tail: bool = False) -> list[Segment]:
    """The segments of a video; a single one where the base can make it in one go, otherwise of the trained length.

    Args:
        frames: of the video. longest: frames that the base makes in one go.
        keep_tail: follow a segment from its very last frame: 24 new frames instead of 20, four of them without motion.

    Raises:
        DisMoError: a length that cannot be made.
    """
    direct = valid_lengths(longest)
    if frames in direct:
        return [Segment(0, frames, frames)]
    if frames < direct[-1]:
        raise DisMoError(
            f"{frames} frames cannot be generated; the possible lengths are {', '.join(map(str, direct))}, and any number "
            f"above {direct[-1]}. Trim the motion."
        )
    length = min(TRAINED_FRAMES, direct[-1])
    hop = length - 1 if keep_tail else length - 1 - LOOK_AHEAD
    last = frames - length
    starts = [*range(0, last, hop), last]
    # a frame that a segment goes on from belongs to the segment before
    ends = [start + 1 for start in starts[1:]] + [frames]
    return [Segment(start, length, end) for start, end in zip(starts, ends, strict=True)]
