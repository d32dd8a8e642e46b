"""What a video file says about itself, as far as it is true."""

from __future__ import annotations

import av
import av.error

from .animated_webp import is_animated_webp, webp_frames
from .clip import VideoInfo
from .color import display_matrix, square_size, turned_sideways
from .reader import Reader, declared_frames, native_fps, opened_at_first_frame
from .source import Source
from .timeline import Decoded

_FROM_ZERO = 0.2  # seconds; a clock that begins later may or may not be counted in the length that the file declares


def probe(source: Source) -> VideoInfo:
    """Size, rate, length and sound of a video; decodes one frame, so it also tells whether there is any.

    Args:
        source: as `iter_video`.

    Raises:
        DisMoError: not a video, no video stream, or no frame that can be decoded.
    """
    if is_animated_webp(source):
        return _probe_webp(source)
    with opened_at_first_frame(source) as (reader, first):
        container, stream, frame = reader.container, reader.stream, first.frame
        lost = _lost(reader, first)
        width, height = square_size(frame.width, frame.height, stream.sample_aspect_ratio)
        if turned_sideways(display_matrix(frame)):
            width, height = height, width
        return VideoInfo(
            width,
            height,
            native_fps(stream),
            _duration(reader, first, lost),
            None if lost else declared_frames(stream),
            any(sound.codec_context is not None for sound in container.streams.audio),
            {key.lower(): value for key, value in {**stream.metadata, **container.metadata}.items()},
        )


def _lost(reader: Reader, first: Decoded) -> int:
    """Ticks at the beginning of which no frame can be shown."""
    if first.stamp is None or reader.earliest is None:
        return 0
    return max(0, first.stamp - reader.earliest)


def _duration(reader: Reader, first: Decoded, lost: int) -> float | None:
    """Seconds from the first frame that can be shown to the end."""
    stream, declared = reader.stream, reader.container.duration
    if stream.duration is not None:
        return max(0.0, (stream.duration - lost) * reader.tick)
    if declared is None:
        return stream.frames / native_fps(stream) if stream.frames else None
    begin = (first.stamp or 0) * reader.tick
    end = declared / av.time_base
    if begin > _FROM_ZERO:
        last = _last_stamp(reader, end)
        end = end if last is None else last * reader.tick
    return end - begin if end > begin else end


def _last_stamp(reader: Reader, end: float) -> int | None:
    """Where the last packet ends, in ticks, found near `end` seconds; None where the file cannot seek there."""
    try:
        reader.container.seek(int(end * av.time_base), backward=True)
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return None
    return max(
        (packet.pts + (packet.duration or 0) for packet in reader.packets() if packet.pts is not None), default=None
    )


def _probe_webp(source: Source) -> VideoInfo:
    count, duration, height, width = 0, 0.0, 0, 0
    for frame in webp_frames(source):  # WebP keeps no total: only its frames know how long they last
        if count == 0:
            height, width = frame.rgb().shape[:2]
        count += 1
        duration = frame.time + frame.duration
    return VideoInfo(width, height, count / duration, duration, count, False, {})
