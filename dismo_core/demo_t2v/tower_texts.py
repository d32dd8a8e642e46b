"""Prompts as a text tower reads them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion.finite import require_finite
from ..diffusion.prompts import PromptEncoder
from ..text_to_video.clip_tokens import tokenize
from .models.towers import TextTower


class TowerTexts(PromptEncoder):
    """Prompts through a tower, each once.

    Args:
        tower: that reads them.
    """

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower

    def encode(self, prompt: str, device: torch.device) -> Tensor:
        """[1, 77, width]."""
        with torch.no_grad():
            return require_finite(self.tower(tokenize([prompt]).to(device)), "encoding the text")
