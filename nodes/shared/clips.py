"""From ComfyUI's VIDEO to what `dismo_core.extract_motion` reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from ...dismo_core import DisMoError
from ...dismo_core.video import probe
from ...dismo_core.video.read import check_sampling

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from torch import Tensor

    Source = str | BinaryIO | Tensor


def require_one(video: Input.Video | None, images: Tensor | None) -> None:
    """Refuse both or neither."""
    if (video is None) == (images is None):
        found = "neither is" if video is None else "both are"
        raise DisMoError(
            f"Extract Motion needs exactly one clip, but of video and images {found} connected. "
            "Connect a video, or a batch of images, not both."
        )


def from_video(
    video: Input.Video, fps: float, start: float, frame_count: int, file_type: Callable[[Any], Input.Video]
) -> tuple[Source, float, int]:
    """The cheapest faithful source of a VIDEO.

    A file is streamed, within the window to which it was trimmed. Anything else, such as frames from Create Video or a
    file that is still to be cropped or resized, is sampled from its decoded frames.

    Args:
        file_type: ComfyUI's `InputImpl.VideoFromFile`.

    Returns:
        (source, start, frame count), to be given to `extract_motion` with the same fps.
    """
    check_sampling(fps, start, None)  # ComfyUI checks typed-in numbers only, not linked ones
    if isinstance(video, file_type):  # type: ignore[arg-type]
        probe(video.get_stream_source())  # its errors say what to do; ComfyUI's own reader shows FFmpeg's
        window = _only_trimmed(video, file_type)
        if window is not None:
            begin, length = window
            source = video.get_stream_source()  # again: reading has moved the position of a file object
            return source, begin + start, _within(length - start, fps, frame_count) if length else frame_count
    components = video.get_components()
    frames = sample(components.images, components.frame_rate, fps, start, frame_count)
    return frames, 0.0, frame_count


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


def _within(seconds: float, fps: float, frame_count: int) -> int:
    """Frames to read from a window of `seconds` when `frame_count` (0 = all) are asked for."""
    available = max(0, math.ceil(round(seconds * fps, 6)))
    if available < 5:
        raise DisMoError(
            f"The trimmed clip has {available} frames at {fps:g} fps after the start time; motion needs at least 5. "
            "Trim less, raise fps, or begin earlier."
        )
    return min(frame_count or available, available)
