"""Does a video show what was asked for: CLIP similarity to the prompt and to the picture (Radford et al. 2021)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..imports import importing

FRAMES = 16  # at a time


class ClipSimilarity:
    """A CLIP model on this machine; nothing is downloaded.

    Args:
        folder: weights, configuration and tokenizer as transformers' `CLIPModel.save_pretrained` and `CLIPProcessor` write them.
        device: where it runs.

    Raises:
        DisMoError: not such a folder.
    """

    def __init__(self, folder: str | os.PathLike[str], device: str = "cpu") -> None:
        if not (Path(folder) / "config.json").is_file():
            raise DisMoError(
                f"{folder} is no CLIP model: it holds no config.json. Give a folder with a CLIPModel of transformers, for example "
                "a download of openai/clip-vit-base-patch32."
            )
        with importing("transformers"):
            from transformers import CLIPModel, CLIPProcessor

        try:
            model: Any = CLIPModel.from_pretrained(folder, local_files_only=True)
            self.processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise DisMoError(f"The CLIP model in {folder} cannot be loaded: {error}") from error
        self.model = model.to(device).eval()

    @torch.no_grad()
    def __call__(
        self, frames: Tensor, prompt: str | None = None, picture: Tensor | None = None
    ) -> tuple[float | None, float | None]:
        """Mean over the frames of the cosine to the prompt and to the picture, -1..1; None for what is not given.

        Args:
            frames: uint8 [T, H, W, 3].
            picture: uint8 [H', W', 3].
        """
        to_prompt: list[Tensor] = []
        to_picture: list[Tensor] = []
        for piece in frames.split(FRAMES):
            pictures = [*piece.numpy(), *([] if picture is None else [picture.numpy()])]
            inputs = self.processor(
                text=[prompt or ""], images=pictures, return_tensors="pt", padding=True, truncation=True
            )
            found = self.model(**inputs.to(self.model.device))
            shown = found.image_embeds[: len(piece)]
            to_prompt.append(shown @ found.text_embeds[0])
            to_picture.append(shown @ found.image_embeds[-1])
        return (
            None if prompt is None else float(torch.cat(to_prompt).mean()),
            None if picture is None else float(torch.cat(to_picture).mean()),
        )
