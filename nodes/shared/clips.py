"""From ComfyUI's VIDEO to what `dismo_core` reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from ...dismo_core import DisMoError
from ...dismo_core.video import iter_video, probe, read_video
from ...dismo_core.video.picture import to_rgb, to_uint8
from ...dismo_core.video.read import check_sampling

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from torch import Tensor

    Source = str | BinaryIO | Tensor


def require_one(node: str, video: Input.Video | None, images: Tensor | None) -> None:
    """Refuse both or neither, in the name of a node."""
    if (video is None) == (images is None):
        found = "neither is" if video is None else "both are"
        raise DisMoError(
            f"{node} needs exactly one clip, but of video and images {found} connected. "
            "Connect a video, or a batch of images, not both."
        )


def from_video(
    video: Input.Video,
    fps: float,
    start: float,
    frame_count: int,
    file_type: Callable[[Any], Input.Video],
    least: int = 5,
) -> tuple[Source, float, int]:
    """The cheapest faithful source of a VIDEO.

    A file is streamed, within the window to which it was trimmed. Anything else, such as frames from Create Video or a
    file that is still to be cropped or resized, is sampled from its decoded frames.

    Args:
        file_type: ComfyUI's `InputImpl.VideoFromFile`.
        least: frames that are needed of a trimmed clip.

    Returns:
        (source, start, frame count), to be given to `extract_motion` with the same fps.
    """
    check_sampling(fps, start, None)  # ComfyUI checks typed-in numbers only, not linked ones
    if (window := _window(video, file_type)) is not None:
        begin, length, _ = window
        source = video.get_stream_source()  # again: reading has moved the position of a file object
        return source, begin + start, _within(length - start, fps, frame_count, least) if length else frame_count
    components = video.get_components()
    frames = sample(components.images, components.frame_rate, fps, start, frame_count)
    return frames, 0.0, frame_count


def beginning(
    video: Input.Video, fps: float, frame_count: int, file_type: Callable[[Any], Input.Video]
) -> tuple[Tensor, float]:
    """The beginning of a VIDEO, as long as `frame_count` frames at `fps` last.

    Args:
        fps: at which the frames are read where the video has more of them; one with fewer is read as it is.
        frame_count: at least 1.
        file_type: see `from_video`.

    Returns:
        (uint8 [T,H,W,3], its frames per second).
    """
    check_sampling(fps, 0.0, None)
    window = _window(video, file_type)
    if window is None:
        components = video.get_components()
        rate = min(Fraction(fps), Fraction(components.frame_rate))
        count = _lasting(frame_count, fps, rate)
        return to_bytes(sample(components.images, components.frame_rate, rate, 0.0, count)), float(rate)
    begin, length, own_rate = window
    rate = min(fps, own_rate)
    count = _lasting(frame_count, fps, rate)
    if length:
        count = min(count, max(1, math.ceil(round(length * rate, 6))))
    clip = read_video(video.get_stream_source(), fps=rate, start=begin, frames=count)
    return clip.frames, rate


def frames_of(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> Tensor:
    """All frames of a VIDEO, [T,H,W,C], 0..1."""
    _window(video, file_type)  # for its errors
    images: Tensor = video.get_components().images
    return images


def whole_file(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> str | None:
    """The path of the file that a VIDEO shows all of; None where it shows a part, or lies in memory.

    Raises:
        DisMoError: the file is no video.
    """
    window = _window(video, file_type)
    source = None if window is None or window[:2] != (0.0, 0.0) else video.get_stream_source()
    return source if isinstance(source, str) else None


def own_frames(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> tuple[int, float]:
    """How many frames a VIDEO has, and how many a second.

    Raises:
        DisMoError: its file is no video.
    """
    window = _window(video, file_type)
    if window is None:
        components = video.get_components()
        return len(components.images), float(components.frame_rate)
    _, length, rate = window
    if length:
        return round(length * rate), rate
    count = probe(video.get_stream_source()).frames
    return count or sum(1 for _ in iter_video(video.get_stream_source())), rate


def to_bytes(images: Tensor) -> Tensor:
    """A batch of IMAGE [T,H,W,C], of any precision, as uint8 [T,H,W,3]."""
    return torch.stack([to_uint8(to_rgb(image), 0.0) for image in images])


def _lasting(frame_count: int, fps: float, rate: float | Fraction) -> int:
    """Frames at `rate` that last as long as `frame_count` at `fps`."""
    return math.ceil((frame_count - 1) * (Fraction(rate) / Fraction(fps))) + 1


def _window(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> tuple[float, float, float] | None:
    """(start, length, frames per second) of what a VIDEO shows of its file; None where it must be decoded by ComfyUI.

    Raises:
        DisMoError: its file is no video.
    """
    if not isinstance(video, file_type):  # type: ignore[arg-type]
        return None
    rate = probe(video.get_stream_source()).fps  # its errors say what to do; ComfyUI's own reader shows FFmpeg's
    window = _only_trimmed(video, file_type)
    return None if window is None else (*window, rate)


def _only_trimmed(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> tuple[float, float] | None:
    """(start, length; 0 = to the end) in seconds of a file's window; None where more than trimming is pending, or none can say.

    What a VIDEO is still to do to its file stands in its attributes, under names that differ by version. So they are compared
    with those of an untouched VIDEO of the same file, and with those of one that is trimmed alike.
    """
    whole: Any = file_type(video.get_stream_source())
    if vars(whole) == vars(video):
        return 0.0, 0.0
    if hasattr(video, "get_active_trim_window"):
        begin, length = video.get_active_trim_window()
        trimmed = whole.as_trimmed(begin, length, strict_duration=False)
        if trimmed is not None and vars(trimmed) == vars(video):
            return float(begin), float(length)
    return None


def sample(frames: Tensor, rate: Fraction | float, fps: float, start: float, limit: int = 0) -> Tensor:
    """Frames [T,H,W,3] at `rate` per second -> those shown at start, start + 1/fps, ... to the end, at most `limit` (0 = all)."""
    rate, fps_exact, start_exact = Fraction(rate), Fraction(fps), Fraction(start)
    count = max(0, math.ceil((len(frames) / rate - start_exact) * fps_exact))
    count = min(limit or count, count)
    return frames[[math.floor((start_exact + k / fps_exact) * rate) for k in range(count)]]


def _within(seconds: float, fps: float, frame_count: int, least: int) -> int:
    """Frames to read from a window of `seconds` when `frame_count` (0 = all) are asked for."""
    available = max(0, math.ceil(round(seconds * fps, 6)))
    if available < least:
        raise DisMoError(
            f"The trimmed clip has {available} frames at {fps:g} fps after the start time; motion needs at least {least}. "
            "Trim less, raise fps, or begin earlier."
        )
    return min(frame_count or available, available)


def file_of(video: Input.Video, file_type: Callable[[Any], Input.Video]) -> tuple[str, float, float] | None:
    """(path, start, length; 0 = to the end) of a VIDEO that shows a part of a file on disk as it is; None of any other."""
    window = _window(video, file_type)
    source = video.get_stream_source() if window is not None else None
    return (source, window[0], window[1]) if window is not None and isinstance(source, str) else None
