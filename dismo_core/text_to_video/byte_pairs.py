"""What CLIP's byte-level pair encoding is written in: characters that stand for bytes, and a mark for the end of a word."""

from __future__ import annotations

END = "</w>"  # marks the last symbol of a word


def byte_symbols() -> list[str]:
    """The 256 characters that stand for bytes: printable Latin-1 for itself, the others from 256 on (GPT-2, Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return [chr(byte) for byte in printable] + [chr(256 + k) for k, _ in enumerate(others)]
