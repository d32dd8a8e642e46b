"""When frames are shown: seconds after the first of them, from time stamps that files give late, twice, or not at all."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .frame_timing import LONGEST

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BACK = 1.0  # seconds that a clock steps back only where it began again
_NEAR = 2.5  # frames that a stamp may be off where few frames have one
_MOST_REORDERED = 16  # frames that a codec may store before their turn


@dataclass(frozen=True)
class Decoded:
    """A frame out of the decoder.

    Args:
        frame: as decoded.
        stamp: its time on the stream's clock, in ticks, None where the file does not tell.
        duration: in ticks, 0 where unknown.
    """

    frame: VideoFrame
    stamp: int | None
    duration: int


class Timeline:
    """Seconds from stamps, frame after frame.

    Args:
        tick: seconds of the stream's clock.
        interval: seconds from frame to frame where nothing else tells.
        zero: stamp of the first frame of the video, None where the first stamp that comes says it.
        begin: seconds from which on frames will come.
    """

    def __init__(self, tick: float, interval: float, zero: int | None = None, begin: float = 0.0) -> None:
        self._tick, self._interval, self._zero = tick, interval, zero
        self._time = -interval
        self._stamp: int | None = None
        self._counted = False  # the frame before had no stamp of its own
        self._latest = begin + LONGEST  # at which the next frame may be shown

    def seconds(self, stamp: int | None) -> float:
        """When the next frame is shown."""
        following = self._time + self._interval
        counted = stamp is None or stamp == self._stamp  # MPEG files stamp few frames, some of them twice
        self._stamp = stamp
        if stamp is None or counted:
            time = following
        else:
            if self._zero is None:
                self._zero = stamp - round(following / self._tick)
            time = (stamp - self._zero) * self._tick
            # Damaged, or the clock of a recording began again: go on as if nothing were missing.
            if time > self._latest or time < self._time - _BACK:
                self._zero = stamp - round(following / self._tick)
                time = following
            elif self._counted and abs(time - following) < _NEAR * self._interval:
                time = following  # one of few stamps, of a frame or two beside this one
        self._counted = counted
        self._time = max(self._time, time)  # broken files may step back a little; time never does
        self._latest = self._time + LONGEST
        return self._time


def in_order(frames: Iterable[Decoded], doubtful: Callable[[], bool], stored: Sequence[int]) -> Iterator[Decoded]:
    """The same frames, stamped in the order in which they come.

    AVI, ASF and others number frames as they are stored, not as they are shown. The decoder gives them in the order in
    which they are shown: so the n-th of them is shown at the n-th of their times.

    Args:
        doubtful: whether that may be so here, as far as is known by now; frames wait only while it is.
        stored: the first stamps of the file so far, also of frames that cannot be decoded.
    """
    waiting: deque[Decoded] = deque()
    stamps: list[int] = []
    begun = False

    def due(left: int) -> Iterator[Decoded]:
        nonlocal begun
        while len(waiting) > left:
            stamp = heapq.heappop(stamps)
            if not begun and stamps:  # frames stored behind the first key frame, but shown before it, do not come
                stamp = max((before for before in stored if before < stamps[0]), default=stamp)
            begun = True
            yield replace(waiting.popleft(), stamp=stamp)

    for decoded in frames:
        if decoded.stamp is None or not doubtful():
            yield from due(0)
            begun = True
            yield decoded
        else:
            waiting.append(decoded)
            heapq.heappush(stamps, decoded.stamp)
            yield from due(_MOST_REORDERED)
    yield from due(0)
