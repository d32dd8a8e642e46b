"""Damage to files: flipped bits, cuts, pieces out of place, and numbers written over the fields of headers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from random import Random

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_FORMS = (">I", "<I", ">H", "<H", "B", ">Q", "<Q")
_FIELD = 64  # bytes behind a tag that count as its fields


def mutated(data: bytes, rng: Random, tags: Sequence[bytes] = ()) -> bytes:
    """`data` with one to three kinds of damage; `tags` are the names of headers in files of this kind."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice((_flip, _cut, _field, _field, _splice))(data, rng, tags)
    return data


def _flip(data: bytes, rng: Random, tags: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    reach = len(out) if rng.random() < 0.5 else min(len(out), 512)
    for _ in range(min(2 ** rng.randrange(8), reach)):
        out[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _cut(data: bytes, rng: Random, tags: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _field(data: bytes, rng: Random, tags: Sequence[bytes]) -> bytes:
    found = [at for tag in tags if (at := data.find(tag, rng.randrange(len(data) or 1))) >= 0]
    found += [at for tag in tags if (at := data.find(tag)) >= 0] or [0]
    at = max(0, rng.choice(found) - 4 + rng.randrange(_FIELD))
    form = rng.choice(_FORMS)
    size = struct.calcsize(form)
    number = rng.choice(_NUMBERS) if rng.random() < 0.8 else rng.getrandbits(8 * size)
    written = struct.pack(form, number % 256**size)
    return data[:at] + written + data[at + size :]


def _splice(data: bytes, rng: Random, tags: Sequence[bytes]) -> bytes:
    """A piece is left out, comes twice, or is replaced by one from elsewhere."""
    begin, end, other = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return rng.choice(
        (data[:begin] + data[end:], data[:end] + data[begin:], data[:begin] + data[end:other] + data[begin:])
    )


def squeezed(megabytes: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """A deflate stream of a thousandth of the size that inflates to zeros; its checksum is wrong."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, wbits)
    begin = squeeze.compress(b"") + squeeze.flush(zlib.Z_FULL_FLUSH)
    piece = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return begin + piece * megabytes + squeeze.flush(zlib.Z_FINISH)
