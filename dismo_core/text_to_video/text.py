"""Prompts to what the UNet reads: CLIP's last hidden state after its final norm, of padded prompts, without attention mask."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from ..diffusion.finite import require_finite
from ..diffusion.prompts import PromptEncoder

log = logging.getLogger(__name__)


class TextEncoding(PromptEncoder):
    """The embeddings of CLIP's text model.

    Args:
        tokenizer: of the text encoder.
        text_encoder: of transformers.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.length = int(text_encoder.config.max_position_embeddings)

    def tokens(self, prompt: str) -> Tensor:
        """int64 [1, length]; a longer prompt is cut, with a warning."""
        whole = self.tokenizer([prompt], truncation=False).input_ids[0]
        if len(whole) > self.length:
            log.warning(
                "The prompt has %d tokens; the text encoder reads %d, so its end is not used: %.200r.", len(whole), self.length, prompt
            )  # fmt: skip
        ids: Tensor = self.tokenizer(
            [prompt], padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        ).input_ids
        return ids

    def encode(self, prompt: str, device: torch.device) -> Tensor:
        """See the class; [1, length, width]."""
        with torch.no_grad():
            states: Tensor = self.text_encoder(self.tokens(prompt).to(device))[0]
        return require_finite(states, "encoding the text")
