"""The pose guider: body pictures to features that are added to the denoising UNet's (docs/methods/mimo.md, 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class PoseGuider(nn.Module):
    """3x3 convolutions with SiLU, to an eighth of the size; the last one is zero at first.

    Args:
        out_channels: those of the denoising UNet's first level.
        in_channels: of the pictures.
        channels: of the convolutions, each pair of them with a halving of the size between.
    """

    def __init__(
        self,
        out_channels: int = 320,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 32, 96, 256),
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for size, larger in pairwise(channels):
            self.blocks.append(nn.Conv2d(size, size, 3, padding=1))
            self.blocks.append(nn.Conv2d(size, larger, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)
        for parameter in self.conv_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, 3, F, H, W] in 0..1 -> [B, out_channels, F, H / 8, W / 8]."""
        x = F.silu(self.conv_in(pictures.transpose(1, 2).flatten(0, 1)))
        for block in self.blocks:
            x = F.silu(block(x))
        features: Tensor = self.conv_out(x).unflatten(0, (len(pictures), -1))
        return features.transpose(1, 2)
