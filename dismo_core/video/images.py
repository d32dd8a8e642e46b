"""A picture file as a tensor."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import DisMoError
from .source import Source, file_object, label

# what Pillow and its decoders raise on bad data
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_image(source: Source) -> Tensor:
    """Read a picture upright: EXIF orientation applied, one channel spread to three, transparency over white.

    Of an animated file the first picture is taken. Grey pictures of 16 bits keep that precision.

    Args:
        source: path, bytes or binary file object of anything Pillow reads (PNG, JPEG, WebP, TIFF, ...).

    Returns:
        float32 [H, W, 3], RGB, 0..1.

    Raises:
        DisMoError: not a picture, damaged, cut short, or with values that have no known range.
    """
    file = file_object(source, "picture")
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            return _unit_rgb(picture, source)
    except _DAMAGED as error:
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DisMoError(
            f"Cannot read {label(source)} as a picture: {reason}. It is not a picture, or it is damaged; "
            "save it as PNG or JPEG."
        ) from error
    finally:
        if isinstance(source, (str, os.PathLike)):
            file.close()


def _unit_rgb(picture: Image.Image, source: Source) -> Tensor:
    if picture.mode.startswith(("I", "F")):
        grey = np.array(picture, dtype=np.float32)
        top = 1.0 if picture.mode.startswith("F") else 65535.0
        if not (np.isfinite(grey).all() and grey.min() >= 0 and grey.max() <= top):
            raise DisMoError(
                f"{label(source)} has grey values from {grey.min():g} to {grey.max():g}; a picture of mode "
                f"{picture.mode} is read with values from 0 to {top:g}. Save it as an ordinary 8-bit or 16-bit PNG."
            )
        return torch.from_numpy(grey / top)[..., None].repeat(1, 1, 3)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        rgba = torch.from_numpy(np.array(picture.convert("RGBA"), dtype=np.float32)) / 255
        alpha = rgba[..., 3:]
        return rgba[..., :3] * alpha + (1 - alpha)
    return torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32)) / 255
