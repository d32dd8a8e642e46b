"""Figures of the published code at toy size, and the networks that belong to them, with weights made of their names."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import filling
import torch
from safetensors import safe_open
from torch import Tensor, nn

from dismo_core import content_motion as cm

GOLDENS = Path(__file__).parent / "goldens" / "content_motion.safetensors"
COMPUTED = ("pos_embed", "inv_freqs", "scales", "scaling_layer.shift", "scaling_layer.scale", "num_batches_tracked")
AUTOENCODER: dict[str, Any] = dict(width=32, depth=2, motion_channels=4)
DIT: dict[str, Any] = dict(width=48, depth=2, heads=3)


@cache
def goldens() -> dict[str, Tensor]:
    with safe_open(GOLDENS, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


@cache
def described(entry: str) -> Any:
    with safe_open(GOLDENS, framework="pt") as file:
        return json.loads(file.metadata()[entry])


def golden(name: str) -> Tensor:
    return goldens()[name].clone()


def assert_golden(found: Tensor, name: str, tolerance: float | None = None) -> None:
    """Within 2e-4 of the largest value, at least of 1, unless said otherwise."""
    expected = golden(name)
    bound = 2e-4 * max(1.0, float(expected.abs().max())) if tolerance is None else tolerance
    torch.testing.assert_close(found.to(expected.dtype), expected, atol=bound, rtol=0)


def filled(module: nn.Module, factors: dict[str, float] | None = None) -> Any:
    """The module with made weights, in evaluation mode. factors: part of a dotted name -> factor on the entry."""
    state = module.state_dict()
    for name, tensor in state.items():
        if not name.endswith(COMPUTED):
            value = filling.filled(name, tuple(tensor.shape))
            state[name] = 1 + value.abs() if name.endswith("running_var") else value
        for part, factor in (factors or {}).items():
            if part in name.split("."):
                state[name] = state[name] * factor
    module.load_state_dict(state, strict=True)
    return module.eval()


@cache
def autoencoder(case: str = "square") -> cm.ContentMotionAutoencoder:
    sizes = {"latent": dict(channels=4, mode="latent"), "patch4": dict(patch_size=4)}.get(case, {})
    parts = ("to_patch_embedding", "to_patch_embedding_xy", "post_xt", "post_yt")
    return filled(
        cm.ContentMotionAutoencoder(**AUTOENCODER, **sizes), dict.fromkeys(parts, 0.01) if case == "faint" else None
    )


def motion_model(case: str = "square", factors: dict[str, float] | None = None) -> cm.MotionDiT:
    sizes: dict[str, Any] = {
        "square": dict(latent_size=(4, 16), content_size=(16, 16)),
        "rect": dict(latent_size=(6, 24), content_size=(8, 32)),
        "patch4": dict(
            latent_size=(8, 32), content_size=(16, 16), patch_size=4, content_patch_size=8, content_channels=4
        ),
    }[case]
    return filled(cm.MotionDiT(channels=4, **sizes, **DIT), factors)


def content_model(case: str = "square") -> cm.ContentDiT:
    size, table = {"square": ((16, 16), "square"), "rect": ((8, 12), "grid")}[case]
    return filled(cm.ContentDiT(image_size=size, num_classes=5, table=table, **DIT))


def counted(make: Any) -> list[Any]:
    """[entries, parameters, hash over names and shapes] of a model without memory."""
    with torch.device("meta"):
        model = make()
    state = model.state_dict()
    lines = sorted(f"{name} {'x'.join(map(str, value.shape))}" for name, value in state.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return [len(state), sum(p.numel() for p in model.parameters()), digest]
