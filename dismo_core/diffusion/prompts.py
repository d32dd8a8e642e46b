"""Prompts to embeddings, each computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ..errors import DisMoError

HELD = 64  # prompts whose embeddings are kept; 1.9 MB each at the largest


class PromptEncoder(ABC):
    """Embeddings are kept in main memory, so a text encoder may be released once all prompts of a job were seen."""

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def __call__(
        self,
        prompts: Sequence[str],
        device: torch.device,
        using: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> Tensor:
        """Prompts -> [len(prompts), tokens, width] on `device`.

        Args:
            using: makes the part "text_encoder" of the base ready to run there; entered for new prompts only.

        Raises:
            DisMoError: half a character, or what `encode` raises.
        """
        found = {prompt: self._held[prompt] for prompt in prompts if prompt in self._held}
        if new := [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]:
            with using("text_encoder"):
                for prompt in new:
                    _require_text(prompt)
                    found[prompt] = self.encode(prompt, device).cpu()
            self._held = dict(list((self._held | found).items())[-HELD:])
        return torch.cat([found[prompt] for prompt in prompts]).to(device)

    @abstractmethod
    def encode(self, prompt: str, device: torch.device) -> Tensor:
        """The embedding [1, tokens, width] of a prompt that was not seen before."""


def _require_text(prompt: str) -> None:
    try:
        prompt.encode()
    except UnicodeEncodeError as error:  # JSON can hold what no text can
        raise DisMoError(f"The prompt {prompt[:200]!r} holds half a character. Type it again.") from error
