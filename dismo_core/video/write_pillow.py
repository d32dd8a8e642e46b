"""Animated WebP and GIF through Pillow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ..errors import DisMoError

# Where ComfyUI keeps texts in a WebP, as "name:text": the prompt in EXIF Model, the others downward from Make
_EXIF_PROMPT, _EXIF_OTHERS = 0x0110, 0x010F


def write_animation(
    path: Path,
    first: Tensor,
    rest: Iterable[Tensor],
    rate: Fraction,
    kind: str,
    quality: int,
    metadata: Mapping[str, str],
) -> None:
    """Encode checked frames (uint8 [H, W, 3], all of one size) to `path`, looping for ever.

    Raises:
        DisMoError: the encoder refuses, or this Pillow cannot write WebP.
        OSError: the disk (turned into `DisMoError` by `atomic_write`).
    """
    pictures = [Image.fromarray(frame.numpy()) for frame in chain((first,), rest)]
    # Durations are differences of rounded times, so nothing drifts; rounded down, so that the frame for a time is
    # shown at that time.
    tick = 10 if kind == "gif" else 1  # milliseconds
    times = [int(index * 1000 / rate / tick) * tick for index in range(len(pictures) + 1)]
    options: dict[str, Any] = {
        "duration": [end - begin for begin, end in zip(times, times[1:], strict=False)],
        "loop": 0,
    }
    if kind == "gif":
        if metadata:
            options["comment"] = json.dumps(dict(metadata)).encode()
    else:
        options |= {"quality": quality, "exif": _exif(metadata)}
    try:
        pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], **options)
    except (ValueError, KeyError) as error:
        height, width = first.shape[:2]
        raise DisMoError(f"Pillow cannot write {width}x{height} frames as {kind}: {error}. Try mp4.") from error


def _exif(metadata: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    place = _EXIF_OTHERS
    for key, text in metadata.items():
        if key == "prompt":
            exif[_EXIF_PROMPT] = f"{key}:{text}"
        else:
            exif[place] = f"{key}:{text}"
            place -= 1
    return exif
