"""A picture file as a tensor."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import DisMoError, first_line
from .alpha import RGB, background_rgb, float_over_background
from .source import Source, file_object, label

# Pillow's other formats are rare, little tested, or handed to other programs (EPS to Ghostscript)
_FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "QOI", "TGA", "TIFF", "WEBP")
MOST_PIXELS = 1 << 26  # of one picture, 8192 x 8192
# what Pillow and its decoders raise on bad data
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_image(source: Source, *, background: str = "black") -> Tensor:
    """Read a picture upright: EXIF orientation applied, one channel spread to three, transparency over `background`.

    Of an animated file the first picture is taken. Grey pictures of 16 bits keep that precision.

    Args:
        source: path, bytes or binary file object; AVIF, BMP, GIF, ICO, JPEG, JPEG 2000, PNG, PPM, PSD, QOI, TGA, TIFF, WebP,
            as far as the installed Pillow has them, of at most 67 million pixels.
        background: color that shows through transparent pixels, a name or "#rrggbb", as for `read_video`.

    Returns:
        float32 [H, W, 3], RGB, 0..1.

    Raises:
        DisMoError: not a picture, damaged, cut short, too large, or with values that have no known range; no such color.
    """
    color = background_rgb(background)
    file = file_object(source, "picture")
    if isinstance(file, io.BufferedReader) and isinstance(source, (str, os.PathLike)):
        file = _Clipped(file.detach())
    try:
        return _unit_rgb(_upright(file, source), source, color)
    except DAMAGED as error:
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DisMoError(
            f"Cannot read {label(source)} as a picture: {reason}. It is not a picture, or it is damaged; "
            "save it as PNG or JPEG."
        ) from error
    finally:
        if isinstance(source, (str, os.PathLike)):
            file.close()


class _Clipped(io.BufferedReader):
    """A file that is asked for no more than it holds: Python sets aside all that a read names, gigabytes in a damaged PNG."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > 0:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def _upright(file: IO[bytes], source: Source) -> Image.Image:
    Image.init()
    try:
        with Image.open(file, formats=[kind for kind in _FORMATS if kind in Image.OPEN]) as opened:
            check_size(opened, source)
            return ImageOps.exif_transpose(opened)
    except (
        RuntimeError
    ) as error:  # what the decoder of AVIF raises; torch, which raises it too, has no part in this yet
        raise OSError(first_line(error)) from error


def check_size(picture: Image.Image, source: Source) -> None:
    """Raise for a picture whose header declares more pixels than anybody means."""
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise DisMoError(
            f"{label(source)} is {width}x{height} px; at most {MOST_PIXELS // 10**6} million pixels are read. Make it smaller first."
        )


def _unit_rgb(picture: Image.Image, source: Source, background: RGB) -> Tensor:
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
        rgba = torch.from_numpy(np.array(picture.convert("RGBA"), dtype=np.float32)).div_(255)
        return float_over_background(rgba[..., :3], rgba[..., 3:], background)
    return torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32)).div_(255)
