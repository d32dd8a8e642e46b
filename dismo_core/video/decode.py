"""Frames of a file one after the other, with the time at which each is shown; pixels are made only when asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from .animated_webp import is_animated_webp, webp_frames
from .frame_timing import DEFAULT_DISPLAY, Display, TimedFrame
from .reader import Reader
from .seek import frames_from
from .source import Source, label, no_frames, open_video
from .timeline import Timeline

log = logging.getLogger(__name__)

_SEEK_FROM = 1.0  # seconds; nearer to the beginning decoding is as fast as seeking


def timed_frames(source: Source, start: float = 0.0, display: Display = DEFAULT_DISPLAY) -> Iterator[TimedFrame]:
    """Every frame from the one shown at `start` (or an earlier one) to the end of the stream.

    Times count from the first frame that can be shown. Packets that cannot be decoded are skipped with one logged
    warning, as players do: the frame before is shown longer.

    Raises:
        DisMoError: not a video, or no frame of it can be decoded.
    """
    if is_animated_webp(source):
        yield from webp_frames(source, display)
        return
    empty = True
    if start > _SEEK_FROM:
        for frame in frames_from(source, start, display):
            empty = False
            yield frame
    if empty:
        yield from _from_beginning(source, display)


def _from_beginning(source: Source, display: Display) -> Iterator[TimedFrame]:
    for whole in (True, False):  # files without a single declared key frame are shown all the same
        with open_video(source) as (container, stream):
            reader = Reader(container, stream, source)
            empty = True
            for frame in reader.timed(
                reader.frames(reader.packets(), whole=whole), Timeline(reader.tick, reader.interval), display
            ):
                empty = False
                yield frame
            if reader.ends_early:
                log.warning(
                    "%s ends early: %d of the %d frames it declares.", label(source), reader.packets_read, stream.frames
                )
        if not empty:
            return
    raise no_frames(source)
