"""Where a clip comes from: a path, bytes or a binary file object, opened with PyAV, every failure one `DisMoError`."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, TypeAlias, TypeVar

import av
import av.error

from ..errors import DisMoError
from ..files import base_name

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

AnyStream = TypeVar("AnyStream", "AudioStream", "VideoStream")
Source: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"

SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".m4v", ".gif", ".webp")  # of clips in a folder
MOST_PIXELS = 1 << 25  # of one frame, 8K; a header that says more is taken for damaged
_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: the cover of a song is no video
_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT
_LIMITS = {"max_pixels": str(MOST_PIXELS)}
# Text that FFmpeg would draw as a terminal, and lists that would make it open other files or addresses.
_NO_VIDEO = {"tty", "hls", "dash", "concat", "concatf", "imf", "rtsp", "sdp", "lavfi"}


def label(source: Source) -> str:
    """How error messages call the source."""
    if isinstance(source, bytes):
        return f"the given data ({len(source)} bytes)"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return source_name(source) or "the given file object"


def source_name(source: Source) -> str:
    """Base name of the file, empty where there is none."""
    if isinstance(source, (str, os.PathLike)):
        return base_name(source)
    name = getattr(source, "name", "")
    return base_name(name) if isinstance(name, str) else ""


def file_object(source: Source, kind: str = "video") -> IO[bytes]:
    """`source` as a binary file object at its beginning; the caller closes it if `source` was a path.

    Raises:
        DisMoError: no such file, a folder, not readable, or nothing that could be a source.
    """
    try:
        if isinstance(source, bytes):
            return io.BytesIO(source)
        if isinstance(source, (str, os.PathLike)):
            return open(_existing_file(source, kind), "rb")
        if isinstance(source.read(0), bytes):
            source.seek(0)
            return source
    except (OSError, ValueError) as error:  # ValueError: a file object that is closed
        reason = getattr(error, "strerror", None) or error
        raise DisMoError(
            f"Cannot read {label(source)}: {reason}. Give a {kind} file that is open and can seek."
        ) from error
    except AttributeError:
        pass
    raise DisMoError(
        f"A {kind} is read from a path, bytes or a binary file object, not from {type(source).__name__}. "
        "Open files with mode 'rb'."
    )


def _existing_file(source: str | os.PathLike[str], kind: str) -> str:
    path = os.fspath(source)
    if os.path.isdir(path):
        raise DisMoError(f"{path} is a folder, not a {kind}. Give the path of one file.")
    if not os.path.exists(path):
        raise DisMoError(f"There is no file {path}. Check the path of the {kind}.")
    return path


@contextlib.contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turn what FFmpeg and the file system say about `source` into a `DisMoError`; memory errors pass through."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, MemoryError):
            raise
        if isinstance(error, av.error.EOFError):
            raise no_frames(source) from error
        raise DisMoError(
            f"Cannot read {label(source)} as a video: {getattr(error, 'strerror', None) or error}. It is not "
            "a video, or it is damaged or cut short; try whether a player opens it, and convert it to MP4 if it does."
        ) from error


def no_frames(source: Source) -> DisMoError:
    """The error for a video without a single frame."""
    return DisMoError(
        f"{label(source)} is a video with no frames that can be decoded. It is empty, damaged or cut short; "
        "try whether a player shows it."
    )


@contextlib.contextmanager
def open_video(source: Source) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open `source` and pick its video stream.

    Raises:
        DisMoError: not a video, a picture, a playlist, or no video stream in it.
    """
    file: str | IO[bytes]
    if isinstance(source, (str, os.PathLike)):
        # "file:" keeps FFmpeg from reading a protocol (http, concat) out of a file name with a colon
        file = "file:" + _existing_file(source, "video")
    else:
        file = file_object(source)
    with readable(source), _opened(file, source) as container:
        stream = _video_stream(container, source)
        stream.codec_context.options = _LIMITS
        yield container, stream


def _opened(file: str | IO[bytes], source: Source) -> InputContainer:
    """`file` as a container that reaches for no other file or address."""
    try:
        # Not as `options`, for which older PyAV frees memory that it never had where streams show only later (MPEG, FLV)
        return av.open(file, mode="r", container_options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except MemoryError as error:  # FFmpeg's answer to sizes that no file can mean, too
        raise DisMoError(
            f"{label(source)} asks for more memory than there is before its first frame. It is damaged, or the memory is full; "
            "try whether a player opens it."
        ) from error


def demuxed(container: InputContainer, stream: AnyStream) -> Iterator[Packet[AnyStream]]:
    """Packets of one stream, up to where the container breaks off.

    Raises:
        av.error.InvalidDataError: it does.
    """
    try:
        yield from container.demux(stream)
    except (IndexError, MemoryError) as error:  # a stream that was not declared; a packet larger than memory can be
        raise av.error.InvalidDataError(0, f"the container breaks off: {error}") from error


def _video_stream(container: InputContainer, source: Source) -> VideoStream:
    kind = container.format.name
    if kind in _NO_VIDEO:
        raise DisMoError(f"{label(source)} is not a video ({container.format.long_name}). Give the video file itself.")
    if kind == "image2" or kind.endswith("_pipe"):
        raise DisMoError(f"{label(source)} is a still picture, not a video. Give a clip, or an animated GIF or WebP.")
    streams = [stream for stream in container.streams.video if not stream.disposition.value & _ATTACHED_PICTURE]
    known = [stream for stream in streams if stream.codec_context is not None]
    if known:
        return max(known, key=_rank)
    if streams:
        raise DisMoError(
            f"{label(source)}: this FFmpeg has no decoder for its video stream. Convert the file to H.264 MP4."
        )
    # not by `stream.type`: PyAV before 17 crashes where that is unknown
    others = (
        ", ".join(kind for kind in ("audio", "data", "subtitles") if getattr(container.streams, kind))
        or "nothing known"
    )
    raise DisMoError(f"{label(source)} has no video stream (it holds {others}). Give a file with moving pictures.")


def _rank(stream: VideoStream) -> tuple[bool, int]:
    """Which of several tracks is shown, as FFmpeg and players choose: a default one, of these the largest, else the first."""
    return bool(stream.disposition.value & _DEFAULT), stream.codec_context.width * stream.codec_context.height
