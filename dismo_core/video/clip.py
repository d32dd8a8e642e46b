"""What a clip is once it has been read: its frames, its sound, its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Audio:
    """Sound of a clip.

    Args:
        waveform: float32 [C, N], -1..1.
        sample_rate: samples per second.
    """

    waveform: Tensor
    sample_rate: int


@dataclass(frozen=True)
class Video:
    """A clip in memory.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        fps: frames per second, the rate of `frames` (not necessarily the file's).
        audio: its sound over the same span, where asked for and present.
        source: base name of the file, for people; empty for bytes.
    """

    frames: Tensor
    fps: float
    audio: Audio | None = None
    source: str = ""


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about itself.

    Args:
        width: as shown, px: square pixels, after the rotation the file asks for.
        height: likewise.
        fps: average native frames per second.
        duration: seconds from the first frame that can be shown, None where the file does not tell; of MPEG program streams
            and ASF an estimate.
        frames: number of frames, None where the file does not tell or hides some. AVI counts repeated ones.
        has_audio: whether there is a sound stream.
        metadata: text tags of the container, keys in lower case.
    """

    width: int
    height: int
    fps: float
    duration: float | None
    frames: int | None
    has_audio: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
