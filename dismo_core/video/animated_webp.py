"""Animated WebP through Pillow: FFmpeg's WebP reader knows still pictures only."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import DisMoError
from .alpha import RGB, over_background
from .frame_timing import DEFAULT_DISPLAY, LONGEST, Display, TimedFrame
from .images import DAMAGED, check_size
from .source import Source, file_object, label

_ANIMATION_FLAG = 0x02
_NO_DURATION = 0.1  # seconds for which browsers show a frame that says 0


def is_animated_webp(source: Source) -> bool:
    """Whether the header is that of a WebP with the animation flag."""
    file = file_object(source)
    try:
        head = file.read(21)
    finally:
        if isinstance(source, (str, os.PathLike)):
            file.close()
    return len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & _ANIMATION_FLAG)


def webp_frames(source: Source, display: Display = DEFAULT_DISPLAY) -> Iterator[TimedFrame]:
    """Frames of an animated WebP, alpha over the background.

    Raises:
        DisMoError: damaged or cut short.
    """
    file = file_object(source)
    time = 0.0
    try:
        with Image.open(file, formats=["WEBP"]) as picture:
            check_size(picture, source)
            for index in range(getattr(picture, "n_frames", 1)):
                picture.seek(index)
                pixels = _pixels(picture, display.background)
                duration = min(picture.info.get("duration", 0) / 1000, LONGEST) or _NO_DURATION
                yield TimedFrame(time, duration, 0.001, lambda pixels=pixels: pixels)  # type: ignore[misc]
                time += duration
    except DAMAGED as error:
        raise DisMoError(
            f"Cannot read the animated WebP {label(source)}: {error}. It is damaged or cut short; "
            "save it again or convert it to MP4."
        ) from error
    finally:
        if isinstance(source, (str, os.PathLike)):
            file.close()


def _pixels(picture: Image.Image, background: RGB) -> Tensor:
    return torch.from_numpy(over_background(np.asarray(picture.convert("RGBA")), background))
