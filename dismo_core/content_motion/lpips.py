"""LPIPS (Zhang et al. 2018, arXiv:1801.03924, section 3), version 0.1 on VGG16: docs/methods/content_motion.md, 6.2."""

from __future__ import annotations

import os
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DisMoError
from ..weights.files import differences, read_weights

# Convolutions of each slice by their numbers in torchvision's VGG16, and their channels. Slices after the first begin with a pool.
SLICES = (
    ((0, 64), (2, 64)),
    ((5, 128), (7, 128)),
    ((10, 256), (12, 256), (14, 256)),
    ((17, 512), (19, 512), (21, 512)),
    ((24, 512), (26, 512), (28, 512)),
)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Perceptual distance of pictures; always in evaluation mode, without gradients of its own weights.

    The weights are others': those of VGG16 come from torchvision, the heads from the lpips package. `load_lpips` reads both.
    """

    def __init__(self) -> None:
        super().__init__()
        channels, slices, heads = 3, {}, {}
        for number, convolutions in enumerate(SLICES):
            layers = {}
            for name, out in convolutions:
                layers[str(name)] = nn.Conv2d(channels, out, 3, padding=1)
                channels = out
            slices[f"slice{number + 1}"] = nn.ModuleDict(layers)
            heads[f"lin{number}"] = nn.ModuleDict(
                {"model": nn.ModuleDict({"1": nn.Conv2d(channels, 1, 1, bias=False)})}
            )
        self.net = nn.ModuleDict(slices)
        self.scaling_layer = _Scaling()
        for key, head in heads.items():
            self.add_module(key, head)
        super().train(False)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> LPIPS:
        """Stays in evaluation mode."""
        return self

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance [B] of pictures [B,3,H,W] in -1..1."""
        total = a.new_zeros(len(a))
        a, b = self.scaling_layer(a), self.scaling_layer(b)
        for number, layers in enumerate(self.net.values()):
            if number:
                a, b = F.max_pool2d(a, 2), F.max_pool2d(b, 2)
            for layer in cast(nn.ModuleDict, layers).values():
                a, b = F.relu(layer(a)), F.relu(layer(b))
            head = self.get_submodule(f"lin{number}.model.1")
            total = total + head((_unit(a) - _unit(b)) ** 2).mean(dim=(1, 2, 3))
        return total


class _Scaling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(SHIFT)[None, :, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[None, :, None, None])
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


def load_lpips(path: str | os.PathLike[str], vgg16: str | os.PathLike[str] | None = None) -> LPIPS:
    """LPIPS from files of the user.

    Args:
        path: all of its weights, or its heads alone (`lin0.model.1.weight` to `lin4.model.1.weight`); safetensors or pt.
        vgg16: torchvision's VGG16 (`features.0.weight` ...), where `path` holds the heads alone.

    Raises:
        DisMoError: names or shapes that do not fit.
    """
    model = LPIPS()
    expected = model.state_dict()
    found = dict(read_weights(path).tensors)
    if vgg16 is not None:
        vgg = read_weights(vgg16).tensors
        for number, convolutions in enumerate(SLICES, 1):
            for layer, _ in convolutions:
                for kind in ("weight", "bias"):
                    if (value := vgg.get(f"features.{layer}.{kind}")) is not None:
                        found[f"net.slice{number}.{layer}.{kind}"] = value
    for name in ("shift", "scale"):
        found.setdefault(f"scaling_layer.{name}", expected[f"scaling_layer.{name}"])
    if problem := differences(expected, found):
        raise DisMoError(
            f"{path} does not hold LPIPS on VGG16, version 0.1: {problem}. Where it holds the heads alone, name torchvision's "
            "VGG16 as well."
        )
    model.load_state_dict(found, strict=True)
    return model


def _unit(f: Tensor) -> Tensor:
    return f / (f.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
