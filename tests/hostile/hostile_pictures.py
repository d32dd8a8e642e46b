"""Hostile pictures: sizes that lie, bombs, and damaged files of every format that is read."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from mutate import mutated, squeezed
from PIL import Image, features

from dismo_core.errors import DisMoError
from dismo_core.video import read_image

FORMATS = (
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {"transparency": 3}),
    ("PNG", "I;16", {}),
    ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {}),
    ("WEBP", "RGBA", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", "F", {}),
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("TGA", "RGBA", {"compression": "tga_rle"}),
    ("ICO", "RGBA", {"sizes": [(32, 24)]}),
    ("PPM", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("AVIF", "RGB", {}),
)
TAGS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"\xff\xc0", b"\xff\xda", b"\xff\xc4", b"\xff\xe1", b"VP8", b"II*\0", b"BM", b"GIF8",
        b"jp2h", b"ihdr", b"\xff\x51", b"ispe", b"av1C", b"iloc", b"P6", b"Exif")  # fmt: skip


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes, color: int = 0, depth: int = 8, *more: bytes) -> bytes:
    ihdr = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


MADE: tuple[Callable[[], bytes], ...] = (
    lambda: png(65_535, 65_535, zlib.compress(bytes(10**6))),
    lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(b"")),
    lambda: png(0, 0, zlib.compress(b"")),
    lambda: png(4096, 4096, zlib.compress(bytes((4096 * 4 + 1) * 4096), 1), 6),
    lambda: png(8, 8, squeezed(5000)),
    lambda: png(8, 8, zlib.compress(bytes(72)), 0, 8, chunk(b"zTXt", b"a\0\0" + squeezed(5000))),
    lambda: png(8, 8, zlib.compress(bytes(72)), 0, 8, chunk(b"iCCP", b"a\0\0" + squeezed(5000))),
    lambda: b"P6 65535 65535 255\n",
    lambda: b"P3 9 9 255\n" + b"9" * 10**7,
    lambda: b"BM" + struct.pack("<3I", 54, 0, 54) + struct.pack("<IiiHHIIiiII", 40, -(2**31), -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
    lambda: b"BM" + struct.pack("<3I", 54, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 8, 1, 0, 0, 0, 0, 0),
    lambda: b"GIF89a" + struct.pack("<2H3B", 65_535, 65_535, 0, 0, 0) + b"," + struct.pack("<4HB", 0, 0, 65_535, 65_535, 0),
    lambda: b"II*\0\x08\0\0\0\x01\0" + struct.pack("<2HII", 256, 4, 2**32 - 1, 8),  # a directory that points at itself
    lambda: b"II*\0\x08\0\0\0" + b"\xff\xff" + struct.pack("<2HII", 273, 4, 2**32 - 1, 2**32 - 1) * 100,
    lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(true) system\n",
    lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/x"/></svg>',
    lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 56, 30_000, 30_000, 8, 3) + bytes(20),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """A small picture of each format."""
    noise = Image.effect_noise((32, 24), 90)
    for number, (kind, mode, options) in enumerate(FORMATS):
        module = {"JPEG2000": "jpg_2000", "AVIF": "avif", "WEBP": "webp"}.get(kind)
        if module is None or features.check(module):
            picture = _in_mode(noise, mode)
            picture.save(folder / f"seed{number:02d}.{kind.lower()}", kind, **options)


def _in_mode(noise: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return noise.point(lambda v: v * 257, "I").convert(mode)
    return noise.convert("F").point(lambda v: v * (1 / 255) + 0) if mode == "F" else noise.convert(mode)


def attempt(folder: Path, number: int) -> None:
    """Read a picture.

    Raises:
        DisMoError: it is refused.
    """
    seeds = sorted(folder.glob("seed*"))
    seed = seeds[number % len(seeds)]
    if number < len(seeds):
        data = seed.read_bytes()
    elif number < len(seeds) + len(MADE):
        data = MADE[number - len(seeds)]()
    else:
        data = mutated(seed.read_bytes(), Random(number), TAGS)
    source: bytes | io.BytesIO | Path = (data, io.BytesIO(data), folder / "out" / f"case{seed.suffix}")[number % 3]
    if isinstance(source, Path):
        source.write_bytes(data)
    try:
        picture = read_image(source)
    except DisMoError as error:
        if number < len(seeds):
            raise AssertionError("a picture that nobody damaged is refused") from error
        raise
    assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == torch.float32
    low, high = (float(v) for v in picture.aminmax())
    assert 0 <= low and high <= 1
