"""Prompts to embeddings, each computed once (docs/methods/dismo.md, 7.6, step 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ..diffusion.finite import require_finite
from ..errors import DisMoError
from .base import CogVideoXBase

HELD = 64  # prompts whose embeddings are kept; 1.9 MB each at full size


class PromptEncoder:
    """T5's last hidden state of padded prompts, without attention mask, as the base was trained.

    Embeddings are kept in main memory, so the text encoder may be released once all prompts of a job were seen.

    Args:
        base: its tokenizer and text encoder are used.
        dtype: of the embeddings.
    """

    def __init__(self, base: CogVideoXBase, dtype: torch.dtype) -> None:
        self.base = base
        self.dtype = dtype
        self.max_tokens = int(base.transformer.config["max_text_seq_length"])
        self._held: dict[str, Tensor] = {}

    def __call__(
        self,
        prompts: Sequence[str],
        device: torch.device,
        using: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> Tensor:
        """Prompts -> [len(prompts), max_tokens, width] on `device`.

        Args:
            using: makes the part "text_encoder" of the base ready to run there; entered for new prompts only.

        Raises:
            DisMoError: a prompt is new and the text encoder was released, or it gave NaN.
        """
        found = {prompt: self._held[prompt] for prompt in prompts if prompt in self._held}
        if new := [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]:
            with using("text_encoder"):
                found |= {prompt: self._encode(prompt, device).cpu() for prompt in new}
            self._held = dict(list((self._held | found).items())[-HELD:])
        return torch.cat([found[prompt] for prompt in prompts]).to(device)

    def _encode(self, prompt: str, device: torch.device) -> Tensor:
        if self.base.text_encoder is None:
            raise DisMoError(
                f"The text encoder of {self.base.name} was released, and the prompt {prompt!r} was not encoded before. "
                "Load the base model again."
            )
        try:
            prompt.encode()
        except UnicodeEncodeError as error:  # JSON can hold what no text can
            raise DisMoError(f"The prompt {prompt[:200]!r} holds half a character. Type it again.") from error
        tokens = self.base.tokenizer(
            [prompt], padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        ).input_ids
        embedding: Tensor = self.base.text_encoder(tokens.to(device))[0]
        return require_finite(embedding.to(self.dtype), "encoding the text")
