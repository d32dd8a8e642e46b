"""I3D, the network whose features the Frechet video distance compares.

Carreira and Zisserman: Quo Vadis, Action Recognition? (arXiv:1705.07750), section 2 and figure 3, in the published form for
PyTorch: padding as TensorFlow's "same", 400 classes of Kinetics.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DisMoError
from ..weights.files import differences, read_weights

FEATURES = 400
LEAST_FRAMES = 9  # with fewer nothing is left over for the last pooling
# Channels of a mixed unit: 1x1 | 1x1 then 3x3 | 1x1 then 3x3 | pool then 1x1.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Before which mixed unit a pool stands: kernel and stride over (time, rows, columns).
POOLS = {"Mixed_3b": ((1, 3, 3), (1, 2, 2)), "Mixed_4b": ((3, 3, 3), (2, 2, 2)), "Mixed_5b": ((2, 2, 2), (2, 2, 2))}


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        padded = _same(x, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(padded)))


class Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        a, b, c, d, e, f = channels
        self.b0 = Unit(inputs, a)
        self.b1a, self.b1b = Unit(inputs, b), Unit(b, c, 3)
        self.b2a, self.b2b = Unit(inputs, d), Unit(d, e, 3)
        self.b3b = Unit(inputs, f)

    def forward(self, x: Tensor) -> Tensor:
        pooled = _pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat((self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)), dim=1)


class I3D(nn.Module):
    """Clips [B,3,T,224,224] in -1..1, T at least 9 -> class scores [B,400]; `load_i3d` fills it."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        inputs = 192
        for name, channels in MIXED.items():
            self.add_module(name, Mixed(inputs, channels))
            inputs = channels[0] + channels[2] + channels[4] + channels[5]
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(inputs, FEATURES, 1)})

    def forward(self, x: Tensor) -> Tensor:
        x = _pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in MIXED:
            if name in POOLS:
                x = _pool(x, *POOLS[name])
            x = self.get_submodule(name)(x)
        scores: Tensor = self.logits["conv3d"](F.avg_pool3d(x, (2, 7, 7), 1))
        return scores.mean(dim=2).flatten(1)


def load_i3d(path: str | os.PathLike[str]) -> I3D:
    """I3D from the published file `i3d_pretrained_400.pt` or a conversion of it, in evaluation mode.

    Raises:
        DisMoError: names or shapes that are not those of I3D.
    """
    model, found = I3D(), read_weights(path).tensors
    if problem := differences(model.state_dict(), found):
        raise DisMoError(f"{path} is not I3D with {FEATURES} classes: {problem}. Give i3d_pretrained_400.pt.")
    model.load_state_dict(found, strict=True)
    return model.eval().requires_grad_(False)


def _same(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around x, the odd one behind, so that every stride begins inside it."""
    sides: list[int] = []
    for n, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - (n % s or s), 0)
        sides = [total // 2, total - total // 2, *sides]
    return F.pad(x, sides)


def _pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    return F.max_pool3d(_same(x, kernel, stride), kernel, stride)
