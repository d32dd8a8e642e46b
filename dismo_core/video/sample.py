"""Which frames a clip shows at evenly spaced times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .frame_timing import TimedFrame

_MAX_SLACK = 0.0005  # seconds


def slack(tick: float) -> float:
    """Seconds within which two times count as equal.

    Containers round times to their clock (a millisecond in WebM), so a frame meant for 1/24 s may be stamped 0.042 s;
    half a tick undoes that. Coarser clocks (one tick a frame) are exact and get no such leeway.
    """
    return min(max(tick / 2, 1e-6), _MAX_SLACK)


def at_times(shown: Iterable[TimedFrame], start: float, fps: float) -> Iterator[TimedFrame]:
    """The frame shown at start + k/fps, k = 0, 1, ..., until the clip ends: the last whose time <= the sample time.

    Times before the first frame get the first frame; a frame may come several times or not at all.
    """
    current: TimedFrame | None = None
    k = 0
    for frame in shown:
        while current is not None and start + k / fps + slack(frame.tick) < frame.time:
            yield current
            k += 1
        current = frame
    while current is not None and start + k / fps + slack(current.tick) < current.time + current.duration:
        yield current
        k += 1


def from_time(shown: Iterable[TimedFrame], start: float) -> Iterator[TimedFrame]:
    """Every frame of the clip from the one shown at `start` on."""
    current: TimedFrame | None = None
    for frame in shown:
        if current is not None and start + slack(frame.tick) < frame.time:
            yield current
        current = frame
    if current is not None and start + slack(current.tick) < current.time + current.duration:
        yield current
