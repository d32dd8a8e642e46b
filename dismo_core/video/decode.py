"""Frames of a file one after the other, with the time at which each is shown; pixels are made only when asked for."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING

import av.error

from .animated_webp import is_animated_webp, webp_frames
from .color import ToRGB
from .shown import LONGEST, Shown
from .source import Source, demuxed, label, no_frames, open_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

_SEEK_FROM = 1.0  # seconds; nearer to the beginning decoding is as fast as seeking
_BACK = 1.0  # seconds that a clock steps back only where it began anew
_FALLBACK_FPS = 25.0  # FFmpeg's own assumption for streams without a clock


def shown_frames(source: Source, start: float = 0.0) -> Iterator[Shown]:
    """Every frame from the one shown at `start` (or a little earlier) to the end of the stream.

    Packets that cannot be decoded are skipped with one logged warning, as players do: the frame before is shown longer.

    Raises:
        DisMoError: not a video, or no frame of it can be decoded.
    """
    if is_animated_webp(source):
        yield from webp_frames(source)
        return
    if start > _SEEK_FROM:
        frames = _decoded(source, start)
        first = next(frames, None)
        if first is not None and first.time <= start:
            yield first
            yield from frames
            return
        frames.close()  # the seek came out too late (no index, or damaged): decode from the beginning instead
    empty = True
    for frame in _decoded(source, None):
        empty = False
        yield frame
    if empty:
        raise no_frames(source)


def first_frame(container: InputContainer, stream: VideoStream, source: Source) -> VideoFrame:
    """The first frame of an open stream.

    Raises:
        DisMoError: there is none that can be decoded.
    """
    for frame, _ in _frames(container, stream, source):
        return frame
    raise no_frames(source)


def native_fps(stream: VideoStream) -> float:
    """Average frames per second that the stream declares."""
    if stream.codec_context.name == "gif" and stream.frames and stream.duration and stream.time_base:
        return float(stream.frames / (stream.duration * stream.time_base))  # GIF has no rate: FFmpeg guesses it
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else _FALLBACK_FPS


def _decoded(source: Source, seek: float | None) -> Generator[Shown, None, None]:
    with open_video(source) as (container, stream):
        stream.thread_type = "AUTO"
        tick = float(stream.time_base or 1e-6)
        interval = min(1 / native_fps(stream), LONGEST)
        zero = stream.start_time
        if seek is not None:
            if zero is None:
                return  # nor could it be told where a seek arrives
            try:
                container.seek(int(zero + seek / tick), stream=stream, backward=True)
            except av.error.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                return
        to_rgb = ToRGB()
        time = -interval
        latest = (seek or 0.0) + LONGEST  # at which the next frame may be shown
        count = 0
        for frame, ticks in _frames(container, stream, source):
            if frame.pts is None:
                if seek is not None and count == 0:
                    return  # where the seek arrived cannot be told
                time += interval
            else:
                zero = frame.pts if zero is None else zero
                stamp = (frame.pts - zero) * tick
                # Damaged, or the clock of a recording began anew: go on as if nothing were missing.
                if stamp > latest or stamp < time - _BACK:
                    zero = frame.pts - round((time + interval) / tick)
                    stamp = time + interval
                time = max(time, stamp)  # broken files may step back a little; time never does
            latest = time + LONGEST
            count += 1
            yield Shown(time, min(ticks * tick, LONGEST) or interval, tick, partial(to_rgb, frame))
        if seek is None and count < 0.95 * stream.frames:
            log.warning("%s ends early: %d of the %d frames it declares.", label(source), count, stream.frames)


def _frames(container: InputContainer, stream: VideoStream, source: Source) -> Iterator[tuple[VideoFrame, int]]:
    """Each frame with its duration in ticks, 0 where unknown."""
    damaged = 0
    durations: dict[int | None, int] = {}  # by time; the frames of PyAV 14 do not tell
    for packet in _packets(container, stream, source):
        if packet is not None:
            durations[packet.pts] = packet.duration or 0
        try:
            frames = stream.decode(packet)
        except av.error.InvalidDataError:
            damaged += 1
            if damaged == 1:
                log.warning("%s: a part cannot be decoded and is skipped; the frame before it is held.", label(source))
            continue
        for frame in frames:
            ticks = durations.pop(frame.pts, 0)
            yield frame, getattr(frame, "duration", 0) or ticks


def _packets(container: InputContainer, stream: VideoStream, source: Source) -> Iterator[Packet[VideoStream] | None]:
    try:
        for packet in demuxed(container, stream):
            if packet.size or packet.dts is not None:
                yield packet
    except av.error.InvalidDataError:
        log.warning("%s breaks off: the rest of the file cannot be read.", label(source))
    yield None  # the decoder still holds frames
