"""Figures of the published code at toy size, and the networks that belong to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filling import filled
from safetensors import safe_open
from torch import Tensor, nn

from dismo_core import demo_t2v as demo

PATH = Path(__file__).parents[1] / "goldens" / "demo_t2v.safetensors"
UNET: dict[str, Any] = dict(
    width=32,
    multipliers=(1, 2, 2),
    blocks=1,
    attention_scales=(1, 1 / 2),
    head_width=16,
    first_heads=3,
    context_width=24,
)
TEXT: dict[str, Any] = dict(width=32, layers=4, heads=2, embed_width=24, vocabulary=600)
IMAGE: dict[str, Any] = dict(width=32, layers=2, heads=2, patch=14, image_size=28, embed_width=24)


@cache
def goldens() -> dict[str, Tensor]:
    with safe_open(PATH, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


@cache
def texts() -> dict[str, str]:
    with safe_open(PATH, "pt") as file:
        return dict(file.metadata())


def golden(name: str) -> Tensor:
    return goldens()[name]


def listed(name: str) -> Any:
    return json.loads(texts()[name])


def fill(module: nn.Module, prefix: str = "") -> Any:
    state = {name: filled(prefix + name, tuple(value.shape)) for name, value in module.state_dict().items()}
    module.load_state_dict(state, strict=True)
    return module.eval().requires_grad_(False)


@cache
def toy_unet() -> Any:
    return fill(demo.UNet(**UNET))


def toy_autoencoder() -> Any:
    from dismo_core.demo_t2v.autoencoder import empty_autoencoder, ldm_name

    empty = empty_autoencoder((32, 64), 1)
    names = {ldm_name(name, 2): tuple(value.shape) for name, value in empty.state_dict().items()}
    wide = {n: (*s, 1, 1) if "attn_1" in n and n.endswith("weight") and len(s) == 2 else s for n, s in names.items()}
    return demo.autoencoder_from_ldm({n: filled(n, s) for n, s in wide.items()}, channels=(32, 64), layers=1)


def close(found: Tensor, wanted: Tensor, tolerance: float = 2e-4) -> None:
    assert found.shape == wanted.shape
    error = (found.double() - wanted.double()).abs().max() / max(1.0, float(wanted.double().abs().max()))
    assert error <= tolerance, f"off by {error:.3g}"


def close_bytes(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == torch.uint8 and found.shape == wanted.shape
    off = (found.int() - wanted.int()).abs()
    assert off.max() <= 1 and (off > 0).float().mean() <= 0.002


def flow(a: Tensor, b: Tensor) -> Tensor:
    """In RAFT's place: any differentiable function does."""
    return torch.stack([(b - a)[:, 0] + 0.5 * a[:, 1], (a * b)[:, 1] + (b - a)[:, 2]], 1)


Flow = Callable[[Tensor, Tensor], Tensor]
