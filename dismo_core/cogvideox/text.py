"""Prompts to embeddings (docs/methods/dismo.md, 7.6, step 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion import prompts
from ..diffusion.finite import require_finite
from ..errors import DisMoError
from .base import CogVideoXBase


class PromptEncoder(prompts.PromptEncoder):
    """T5's last hidden state of padded prompts, without attention mask, as the base was trained.

    Args:
        base: its tokenizer and text encoder are used.
        dtype: of the embeddings.
    """

    def __init__(self, base: CogVideoXBase, dtype: torch.dtype) -> None:
        super().__init__()
        self.base = base
        self.dtype = dtype
        self.max_tokens = int(base.transformer.config["max_text_seq_length"])

    def encode(self, prompt: str, device: torch.device) -> Tensor:
        """See the class; [1, max_tokens, width].

        Raises:
            DisMoError: the text encoder was released, or it gave NaN.
        """
        if self.base.text_encoder is None:
            raise DisMoError(
                f"The text encoder of {self.base.name} was released, and the prompt {prompt!r} was not encoded before. "
                "Load the base model again."
            )
        tokens = self.base.tokenizer(
            [prompt], padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        ).input_ids
        embedding: Tensor = self.base.text_encoder(tokens.to(device))[0]
        return require_finite(embedding.to(self.dtype), "encoding the text")
