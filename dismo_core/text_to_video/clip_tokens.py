"""Token ids of OpenAI's CLIP as OpenCLIP gives them: byte-level pair encoding of a cleaned text (Radford et al. 2021, section 2.4).

transformers' tokenizers leave out two of the cleanings (broken Unicode is mended, HTML entities are read), and pad differently.
"""

from __future__ import annotations

import gzip
import html
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..imports import importing
from .byte_pairs import END, byte_symbols

log = logging.getLogger(__name__)

MERGES = (
    Path(__file__).parent.parent / "assets" / "text_to_video" / "clip_merges.txt.gz"
)  # of OpenAI's CLIP, see CREDITS.md
LENGTH = 77
START_ID, END_ID = 49406, 49407
START_WORD, END_WORD = "<start_of_text>", "<end_of_text>"  # written in a text they become these ids
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def tokenize(prompts: Sequence[str]) -> Tensor:
    """int64 [N, 77]: start, tokens, end, then zeros; a longer text is cut, and the log quotes what is lost.

    Args:
        prompts: any texts.
    """
    rows = torch.zeros(len(prompts), LENGTH, dtype=torch.int64)
    for row, prompt in zip(rows, prompts, strict=True):
        encoded = _tokenizer().encode(cleaned(prompt), add_special_tokens=False)
        ids = encoded.ids
        if len(ids) > LENGTH - 2:
            lost = _tokenizer().decode(ids[LENGTH - 2 :], skip_special_tokens=False)
            log.warning(
                "The prompt has %d tokens, and %d are read; not read is its end: %.300r.",
                len(ids), LENGTH - 2, lost.replace(END, " ").strip(),
            )  # fmt: skip
        whole = torch.tensor([START_ID, *ids[: LENGTH - 2], END_ID])
        row[: len(whole)] = whole
    return rows


def end_of_text(tokens: Tensor) -> Tensor:
    """Position of the first end of text, [N], of ids [N, 77]."""
    return (tokens == END_ID).int().argmax(dim=1)


def cleaned(text: str) -> str:
    """Mended Unicode, entities of HTML read, white space as single blanks, lower case."""
    with importing("ftfy"):
        import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


@cache
def _tokenizer() -> Any:
    with importing("tokenizers"):
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    lines = gzip.decompress(MERGES.read_bytes()).decode("utf-8").splitlines()
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    symbols = byte_symbols()
    words = [*symbols, *(symbol + END for symbol in symbols), *("".join(pair) for pair in merges), START_WORD, END_WORD]
    made = Tokenizer(
        models.BPE({word: number for number, word in enumerate(words)}, merges, end_of_word_suffix=END, fuse_unk=False)
    )
    made.add_special_tokens([AddedToken(word, normalized=False) for word in (START_WORD, END_WORD)])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    return made
