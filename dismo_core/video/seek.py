"""Beginning late in a video: from a key frame before the time asked for, but only where the result is known to be right.

Right means: the same pictures at the same times as when everything from the beginning is decoded. What a file says of its
key frames is checked by decoding; where it cannot be checked, nothing is given, and the caller decodes from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import av.error

from .frame_timing import DEFAULT_DISPLAY, LONGEST, Display, TimedFrame
from .reader import Reader, is_transparent
from .sample import slack
from .source import Source, open_video
from .timeline import Decoded, Timeline

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# Containers with a table of their key frames and one clock for all of the video. In others FFmpeg guesses by time stamps.
WITH_INDEX = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mxf")
_TRIES = 3  # key frames, the later first
_LOOK = 32  # packets within which frames that are stored out of order show


class _Key(NamedTuple):
    number: int  # of the packet, from the beginning
    stamp: int


def frames_from(source: Source, start: float, display: Display = DEFAULT_DISPLAY) -> Iterator[TimedFrame]:
    """Every frame from one shown at `start` or before to the end; none where that cannot be had without risk.

    Raises:
        DisMoError: not a video.
    """
    with open_video(source) as (container, stream):
        reader = Reader(container, stream, source)
        packets = reader.packets()
        read: list[Packet[VideoStream]] = []
        first = next(reader.frames(_noting(packets, read)), None)
        if first is None or first.stamp is None or is_transparent(stream):
            return  # palettes come with the first packet and may change later; alpha has key frames of its own
        if reader.stored_order:
            read += islice(packets, _LOOK)
        if reader.stored_order:
            return
        wanted = first.stamp + int((start + slack(reader.tick)) / reader.tick)
        timeline = Timeline(reader.tick, reader.interval, first.stamp, start)
        if container.format.name in WITH_INDEX:
            yield from reader.timed(_after_seek(reader, wanted), timeline, display)
            return
        keys = _keys_before(chain(read, packets), wanted, int(LONGEST / reader.tick))
    for key in reversed(keys[-_TRIES:]):
        with open_video(source) as (container, stream):
            reader = Reader(container, stream, source)
            frames = _checked(reader, islice(reader.packets(), key.number, None), wanted)
            begun = next(frames, None)
            if begun is not None:
                yield from reader.timed(chain((begun,), frames), timeline, display)
                return


def _noting(packets: Iterator[Packet[VideoStream]], read: list[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    for packet in packets:
        read.append(packet)
        yield packet


def _after_seek(reader: Reader, wanted: int) -> Iterator[Decoded]:
    """Frames from the last key frame not after `wanted` that FFmpeg finds and that stands alone."""
    at = wanted
    for _ in range(_TRIES):
        try:
            reader.container.seek(at, stream=reader.stream, backward=True)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return
        packets = reader.packets()
        key = next(packets, None)
        if key is None or key.pts is None:
            return
        frames = _checked(reader, chain((key,), packets), wanted)
        begun = next(frames, None)
        if begun is not None:
            yield begun
            yield from frames
            return
        at = min(at, key.pts, key.pts if key.dts is None else key.dts) - 1


def _checked(reader: Reader, packets: Iterator[Packet[VideoStream]], wanted: int) -> Iterator[Decoded]:
    """Frames from the key frame in the first packet on; none where it does not stand alone or is shown after `wanted`."""
    key = next(packets, None)
    if key is None or not key.is_keyframe or key.is_discard or key.pts is None or key.pts > wanted:
        return
    begun = False
    for decoded in reader.frames(chain((key,), packets), whole=False):
        if not begun:
            if decoded.stamp is None:
                return
            if decoded.stamp < key.pts:
                continue  # shown before the key frame, built on what was not read
            frame = decoded.frame
            begun = decoded.stamp == key.pts and frame.key_frame and not frame.is_corrupt
            if not begun:
                return  # gradual refresh, for one, declares key frames that build on others
        yield decoded


def _keys_before(packets: Iterator[Packet[VideoStream]], wanted: int, longest: int) -> list[_Key]:
    """The last key frames not after `wanted`, found by reading on without decoding; none where the clock is not steady.

    Args:
        longest: ticks by which a clock never jumps.
    """
    keys: list[_Key] = []
    before: int | None = None
    for number, packet in enumerate(packets):
        if packet.dts is None or packet.pts is None:
            return []
        if before is not None and not before < packet.dts <= before + longest:
            return []
        before = packet.dts
        if packet.dts > wanted:
            break
        if packet.is_keyframe and packet.pts <= wanted:
            keys.append(_Key(number, packet.pts))
            del keys[:-_TRIES]
    return keys
