"""Which frames of a video are a training clip, and how they are brought to the size of training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import DisMoError

CLIP_FPS = 3  # frames of a training clip to a second; a literal of the published code
FRAMES = 16


def clip_length(length: int, fps: float, frames: int = FRAMES) -> int:
    """Frames of the video that a clip spans; the last place where it can begin is `length` - this.

    Raises:
        DisMoError: a video without frames, or without a frame rate.
    """
    if length < 1 or not 0 < fps < float("inf"):
        raise DisMoError(
            f"A video of {length} frames at {fps:g} frames per second gives no clip. Leave it out or mend it."
        )
    return min(length, (frames - 1) * round(fps / CLIP_FPS) + 1)


def clip_indices(length: int, fps: float, start: int = 0, frames: int = FRAMES) -> list[int]:
    """Frame numbers of a clip, about 3 to a second.

    Args:
        length: frames of the video.
        fps: of the video.
        start: frame that the clip begins with.
        frames: of the clip.

    Raises:
        DisMoError: see `clip_length`; or a start from which the clip does not fit.
    """
    spanned = clip_length(length, fps, frames)
    if not 0 <= start <= length - spanned:
        raise DisMoError(
            f"A clip of {spanned} frames of a video of {length} begins at frame 0 to {length - spanned}, not {start}."
        )
    return [int(place) for place in torch.linspace(start, start + spanned - 1, frames, dtype=torch.float64).tolist()]


def fit_frames(frames: Tensor, size: tuple[int, int] = (256, 256)) -> Tensor:
    """Shorter side to size (bicubic, not smoothed), centre cut out, -1..1; the resize may go a little beyond.

    Args:
        frames: uint8 [T, H, W, 3].
        size: (height, width), px.

    Returns:
        float32 [T, 3, height, width].
    """
    height, width = frames.shape[1:3]
    short = max(size[0], 1)
    scaled = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
    pixels = interpolate(
        frames.movedim(-1, 1).float() / 255, size=scaled, mode="bicubic", align_corners=False, antialias=False
    )
    if scaled[0] < size[0] or scaled[1] < size[1]:
        raise DisMoError(
            f"Frames of {height} x {width} px give {scaled[0]} x {scaled[1]}, which does not hold {size[0]} x {size[1]}. Choose a size "
            "whose height is not smaller than its width."
        )
    top, left = (round((have - want) / 2) for have, want in zip(scaled, size, strict=True))
    return pixels[..., top : top + size[0], left : left + size[1]] * 2 - 1
