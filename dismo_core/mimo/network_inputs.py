"""Pictures as the networks take them (docs/methods/mimo.md, 4)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import DisMoError

CLIP_SIZE = 224  # px
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
MULTIPLE = 8  # px; sides of what is made


def picture_for_clip(picture: NDArray[np.uint8], size: int = CLIP_SIZE) -> Tensor:
    """uint8 [h, w, 3] -> float32 [1, 3, size, size]: bicubic with antialias, shape not kept, normalised as CLIP was trained."""
    values = _resized(picture, size, size, Image.Resampling.BICUBIC)
    mean, deviation = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_DEVIATION)
    return ((values - mean) / deviation).permute(2, 0, 1)[None]


def picture_for_vae(picture: NDArray[np.uint8], width: int, height: int) -> Tensor:
    """uint8 [h, w, 3] -> float32 [1, 3, height, width], -1..1: Lanczos, shape not kept."""
    return 2 * _resized(picture, width, height, Image.Resampling.LANCZOS).permute(2, 0, 1)[None] - 1


def picture_for_pose(picture: NDArray[np.uint8], width: int, height: int) -> Tensor:
    """uint8 [h, w, 3] -> float32 [3, height, width], 0..1: Lanczos, shape not kept."""
    return _resized(picture, width, height, Image.Resampling.LANCZOS).permute(2, 0, 1)


def check_size(width: int, height: int) -> None:
    """Raise unless the sides are multiples of 8, as latents need."""
    if width < MULTIPLE or height < MULTIPLE or width % MULTIPLE or height % MULTIPLE:
        raise DisMoError(
            f"The size {width}x{height} px cannot be made: both sides must be multiples of {MULTIPLE}. "
            f"Nearest is {max(MULTIPLE, round(width / 8) * 8)}x{max(MULTIPLE, round(height / 8) * 8)}."
        )


def _resized(picture: NDArray[np.uint8], width: int, height: int, filter: Image.Resampling) -> Tensor:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise DisMoError(f"A picture must be uint8 [h, w, 3] in RGB, not {picture.dtype} {list(picture.shape)}.")
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), filter)
    return torch.from_numpy(np.array(resized)).float() / 255
