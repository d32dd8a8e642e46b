"""What stands out from the ground of a picture: a small convolutional network with skip connections (U-Net, Ronneberger et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

WIDTHS = (16, 32, 64, 96, 128)
LONGEST = 256  # px: larger pictures are scaled down
UNSURE = 0.1


class _Block(nn.Sequential):
    """Two 3x3 convolutions, each normalised in groups."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(8, outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(8, outputs),
            nn.SiLU(),
        )


class Segmenter(nn.Module):
    """Picture -> soft mask of the thing in it.

    Args:
        widths: channels at each halving of the resolution, multiples of 8.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip((3, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(_Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits.

        Args:
            pictures: [B, 3, H, W], 0..1; H and W multiples of 2 ** (levels - 1).

        Returns:
            [B, H, W].
        """
        x = (pictures - 0.5) / 0.25
        kept = []
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else nn.functional.avg_pool2d(x, 2))
            kept.append(x)
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat((x, beside), dim=1))
        logits: Tensor = self.out(x)[:, 0]
        return logits

    @torch.no_grad()
    def mask(self, picture: Tensor) -> Tensor:
        """Soft mask of one picture of any size.

        Args:
            picture: [H, W, 3], 0..1.

        Returns:
            [H, W], 0..1.
        """
        height, width = picture.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        x = picture.float().movedim(-1, 0)[None]
        if size != (height, width):
            x = interpolate(x, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
        step = 2 ** (len(self.widths) - 1)
        missing = (-size[0]) % step, (-size[1]) % step
        x = pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
        mask = torch.sigmoid(self(x))[:, : size[0], : size[1]]
        mask = (mask - UNSURE) / (1 - 2 * UNSURE)  # what it is nearly sure of counts as sure
        if size != (height, width):
            mask = interpolate(mask[None], (height, width), mode="bicubic", align_corners=False)[0]
        return mask[0].clamp(0, 1)
