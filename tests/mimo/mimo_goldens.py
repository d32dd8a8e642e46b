"""Figures of the published code at toy size, and the inputs and weights that belong to them."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import filling
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import nn

CONFIG: dict[str, Any] = dict(channels=(32, 64, 96, 96), cross_attention_dim=24)


@cache
def goldens() -> dict[str, NDArray[Any]]:
    return load_file(Path(__file__).parents[1] / "goldens" / "mimo.safetensors")


def golden(name: str) -> NDArray[Any]:
    return goldens()[name]


def cases(prefix: str, last: str) -> list[str]:
    """What stands between `prefix` and `last` in the names."""
    return sorted(
        n.removeprefix(prefix).removesuffix(last) for n in goldens() if n.startswith(prefix) and n.endswith(last)
    )


def draw(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    state = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(state.standard_normal(shape).astype(np.float32))


def pixels(name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.RandomState(zlib.crc32(name.encode())).randint(0, 256, shape).astype(np.uint8)


def painted(rects: NDArray[Any], frames: int, height: int, width: int) -> NDArray[np.uint8]:
    """Black frames with rows of (frame, x0, x1, y0, y1, r, g, b) painted in order."""
    video = np.zeros((frames, height, width, 3), np.uint8)
    for frame, x0, x1, y0, y1, *color in rects:
        video[frame, y0:y1, x0:x1] = color
    return video


def filled(module: nn.Module, prefix: str) -> Any:
    state = {
        name: value if name.endswith("pos_encoder.pe") else filling.filled(prefix + name, tuple(value.shape))
        for name, value in module.state_dict().items()
    }
    module.load_state_dict(state, strict=True)
    return module.eval().requires_grad_(False)
