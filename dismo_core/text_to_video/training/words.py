"""A CLIP tokenizer of few words: byte-level pair encoding in which each given word is one token."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ...imports import importing
from ..byte_pairs import END, byte_symbols

with importing("transformers"):
    from transformers import CLIPTokenizer

START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path, words: Iterable[str], length: int) -> None:
    """Write `vocab.json`, `merges.txt` and what else transformers reads.

    Args:
        folder: is made.
        words: of small ASCII letters; each becomes one token. Other words fall apart into letters.
        length: most tokens of a text, start and end among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merges = merges_for(words)
    symbols = byte_symbols()
    vocabulary = [*symbols, *(s + END for s in symbols), *("".join(pair) for pair in merges), START_TOKEN, END_TOKEN]
    numbers = {symbol: number for number, symbol in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
    rows = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    CLIPTokenizer.from_pretrained(folder, model_max_length=length).save_pretrained(folder)


def merges_for(words: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs to merge, the first first, after which each word is one symbol.

    A pair that is added stands last: it is merged only where no earlier pair is left, and so takes no finished word apart.
    """
    merges: list[tuple[str, str]] = []
    for word in words:
        while len(parts := _merged(word, merges)) > 1:
            merges.append((parts[0], parts[1]))
    return merges


def _merged(word: str, merges: list[tuple[str, str]]) -> list[str]:
    parts = [*word[:-1], word[-1] + END]
    for pair in merges:
        at = 0
        while at < len(parts) - 1:
            if (parts[at], parts[at + 1]) == pair:
                parts[at : at + 2] = ["".join(pair)]
            at += 1
    return parts
