"""The text side of the base: T5 encoder and tokenizer, from transformers folders or ComfyUI's single files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import DisMoError
from ..imports import importing
from ..memory.mmap_weights import fill
from ..memory.precision import Float8Linear

TIED = {"encoder.embed_tokens.weight": "shared.weight"}
STAY_FLOAT8 = ("q", "k", "v", "o", "wi", "wi_0", "wi_1")  # linears; not "wo", whose input transformers casts likewise


def load_text_encoder(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> Any:
    """A frozen T5 encoder.

    As transformers does, fp16 keeps the second layers of the feed-forward blocks in float32, where fp16 overflows. Of
    float8 files (plain, or with ComfyUI's scales) the other linears stay float8 in memory.

    Args:
        config: T5 config.
        files: safetensors with the names of transformers' T5EncoderModel, which are ComfyUI's too.
        dtype: precision it computes in.
    """
    with importing("transformers"):
        from transformers import T5Config, T5EncoderModel

    with torch.device("meta"):
        encoder: torch.nn.Module = T5EncoderModel(T5Config(**config))
    scales = fill(
        encoder,
        files,
        dtype,
        rename=lambda key: TIED.get(key, key),
        keep_float32=lambda key: dtype is torch.float16 and key.endswith(".wo.weight"),
        keep_float8=lambda key: key.split(".")[-2] in STAY_FLOAT8,
        tied=TIED,
    )
    encoder.tie_weights()  # type: ignore[operator]
    for key, scale in scales.items():
        parent, _, child = key.removesuffix(".weight").rpartition(".")
        linear: Any = encoder.get_submodule(parent).get_submodule(child)
        setattr(encoder.get_submodule(parent), child, Float8Linear(linear.weight.data, scale, linear.bias))
    return encoder.eval().requires_grad_(False)


def load_tokenizer(folder: Path) -> Any:
    """The T5 tokenizer of a folder; `spiece.model` alone, or tokenizer.json, is enough.

    Raises:
        DisMoError: no folder, or neither of the two in it.
    """
    with importing("transformers"):
        from transformers import AutoTokenizer, T5Tokenizer

    if not any((folder / name).is_file() for name in ("spiece.model", "tokenizer.json")):
        raise DisMoError(f"{folder} holds no tokenizer: neither spiece.model nor tokenizer.json. Fetch one of them.")
    kind = AutoTokenizer if (folder / "tokenizer_config.json").is_file() else T5Tokenizer
    return kind.from_pretrained(folder, local_files_only=True)
