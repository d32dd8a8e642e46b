"""What a video file says about itself."""

from __future__ import annotations

from .animated_webp import is_animated_webp, webp_frames
from .clip import VideoInfo
from .color import display_matrix
from .decode import first_frame, native_fps
from .source import Source, open_video


def probe(source: Source) -> VideoInfo:
    """Size, rate, length and sound of a video; decodes one frame, so it also tells whether there is any.

    Args:
        source: as `iter_video`.

    Raises:
        DisMoError: not a video, no video stream, or no frame that can be decoded.
    """
    if is_animated_webp(source):
        return _probe_webp(source)
    with open_video(source) as (container, stream):
        fps = native_fps(stream)
        count = stream.frames or None
        duration = None
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration = container.duration / 1e6
        elif count is not None:
            duration = count / fps
        has_audio = any(sound.codec_context is not None for sound in container.streams.audio)
        tags = {key.lower(): value for key, value in {**stream.metadata, **container.metadata}.items()}
        frame = first_frame(container, stream, source)
        width, height = frame.width, frame.height
        matrix = display_matrix(frame)
        if matrix is not None and abs(matrix[1]) > abs(matrix[0]):
            width, height = height, width
    return VideoInfo(width, height, fps, duration, count, has_audio, tags)


def _probe_webp(source: Source) -> VideoInfo:
    count, duration, height, width = 0, 0.0, 0, 0
    for frame in webp_frames(source):  # WebP keeps no total: only its frames know how long they last
        if count == 0:
            height, width = frame.rgb().shape[:2]
        count += 1
        duration = frame.time + frame.duration
    return VideoInfo(width, height, count / duration, duration, count, False, {})
