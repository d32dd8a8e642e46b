"""Prompts to embeddings, each computed once (specs/dismo.md, 6.6 step 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DisMoError
from .base import CogVideoXBase

HELD = 64  # prompts whose embeddings are kept; 1.9 MB each at full size


class PromptEncoder:
    """T5's last hidden state of padded prompts, without attention mask, as the base was trained.

    Embeddings are kept in main memory, so the text encoder may be released once all prompts of a job were seen.

    Args:
        base: its tokenizer and text encoder are used. dtype: of the embeddings.
    """

    def __init__(self, base: CogVideoXBase, dtype: torch.dtype) -> None:
        self.base = base
        self.dtype = dtype
        self.max_tokens = int(base.transformer.config["max_text_seq_length"])
        self._held: dict[str, Tensor] = {}

    def __call__(self, prompts: Sequence[str], device: torch.device) -> Tensor:
        """Prompts -> [len(prompts), max_tokens, width] on `device`, where the text encoder also runs.

        Raises:
            DisMoError: a prompt is new and the text encoder was released.
        """
        for prompt in prompts:
            if prompt not in self._held:
                while len(self._held) >= HELD:
                    del self._held[next(iter(self._held))]
                self._held[prompt] = self._encode(prompt, device).cpu()
        return torch.cat([self._held[prompt] for prompt in prompts]).to(device)

    def _encode(self, prompt: str, device: torch.device) -> Tensor:
        if self.base.text_encoder is None:
            raise DisMoError(
                f"The text encoder of {self.base.name} was released, and the prompt {prompt!r} was not encoded before. "
                "Load the base model again."
            )
        tokens = self.base.tokenizer(
            [prompt], padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        ).input_ids
        embedding: Tensor = self.base.text_encoder(tokens.to(device))[0]
        return embedding.to(self.dtype)
