"""LGM: four pictures of an object from four sides into Gaussians, a U-Net (docs/methods/gaussians4d.md, 4.2).

After "LGM: Large Multi-View Gaussian Model" (Tang et al., ECCV 2024), section 3. Names of the parameters are those of the released
file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError

VIEWS = 4
CHANNELS_IN, CHANNELS_OUT = 9, 14
HALF = math.sqrt(0.5)
LARGEST_SCALE = 0.1


class _ResNet(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(32, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(32, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        out: Tensor = (h + self.shortcut(x)) * HALF
        return out


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class _ViewAttention(nn.Module):
    """Attention over the pixels of all views of a sample."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attn = nn.GroupNorm(32, width), _SelfAttention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        rows, width, height, across = x.shape
        tokens = self.norm(x).view(rows // VIEWS, VIEWS, width, -1).transpose(2, 3).flatten(1, 2)
        mixed = self.attn(tokens).view(rows // VIEWS, VIEWS, -1, width).transpose(2, 3).reshape(x.shape)
        out: Tensor = (mixed + x) * HALF
        return out


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int, attend: bool, shrink: bool, layers: int, heads: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList(_ResNet(inputs if k == 0 else outputs, outputs) for k in range(layers))
        self.attns = nn.ModuleList(_ViewAttention(outputs, heads) for _ in range(layers if attend else 0))
        self.downsample = nn.Conv2d(outputs, outputs, 3, stride=2, padding=1) if shrink else None

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = []
        for k, net in enumerate(self.nets):
            x = net(x)
            if self.attns:
                x = self.attns[k](x)
            skips.append(x)
        if self.downsample is not None:
            x = self.downsample(x)
            skips.append(x)
        return x, skips


class _Middle(nn.Module):
    def __init__(self, width: int, attend: bool, heads: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList((_ResNet(width, width), _ResNet(width, width)))
        self.attns = nn.ModuleList([_ViewAttention(width, heads)] if attend else [])

    def forward(self, x: Tensor) -> Tensor:
        x = self.nets[0](x)
        for attention in self.attns:
            x = attention(x)
        out: Tensor = self.nets[1](x)
        return out


class _Up(nn.Module):
    def __init__(self, inputs: int, skips: Sequence[int], outputs: int, attend: bool, grow: bool, heads: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            _ResNet((inputs if k == 0 else outputs) + skip, outputs) for k, skip in enumerate(skips)
        )
        self.attns = nn.ModuleList(_ViewAttention(outputs, heads) for _ in range(len(skips) if attend else 0))
        self.upsample = nn.Conv2d(outputs, outputs, 3, padding=1) if grow else None

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for k, net in enumerate(self.nets):
            x = net(torch.cat((x, skips.pop()), dim=1))
            if self.attns:
                x = self.attns[k](x)
        if self.upsample is not None:
            x = self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class _UNet(nn.Module):
    def __init__(
        self,
        down: Sequence[int],
        down_attention: Sequence[bool],
        mid_attention: bool,
        up: Sequence[int],
        up_attention: Sequence[bool],
        layers: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(CHANNELS_IN, down[0], 3, padding=1)
        blocks, width, skips = [], down[0], [down[0]]
        for k, (outputs, attend) in enumerate(zip(down, down_attention, strict=True)):
            shrink = k < len(down) - 1
            blocks.append(_Down(width, outputs, attend, shrink, layers, heads))
            skips += [outputs] * (layers + shrink)
            width = outputs
        self.down_blocks = nn.ModuleList(blocks)
        self.mid_block = _Middle(width, mid_attention, heads)
        rises = []
        for k, (outputs, attend) in enumerate(zip(up, up_attention, strict=True)):
            taken = [skips.pop() for _ in range(layers + 1)]
            rises.append(_Up(width, taken, outputs, attend, k < len(up) - 1, heads))
            width = outputs
        self.up_blocks = nn.ModuleList(rises)
        self.norm_out = nn.GroupNorm(32, up[-1])
        self.conv_out = nn.Conv2d(up[-1], CHANNELS_OUT, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        skips = [x]
        for down in self.down_blocks:
            x, more = down(x)
            skips += more
        x = self.mid_block(x)
        for up in self.up_blocks:
            x = up(x, skips)
        out: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return out


class LGM(nn.Module):
    """Pictures to Gaussians.

    Args:
        down_channels: widths of the levels down; each but the last halves the side.
        down_attention: of each, whether the views attend to each other.
        mid_attention: likewise in the middle.
        up_channels: widths of the levels up; each but the last doubles the side.
        up_attention: of each.
        layers: residual blocks a level down; one more up.
        heads: of attention.
    """

    def __init__(
        self,
        down_channels: Sequence[int] = (64, 128, 256, 512, 1024, 1024),
        down_attention: Sequence[bool] = (False, False, False, True, True, True),
        mid_attention: bool = True,
        up_channels: Sequence[int] = (1024, 1024, 512, 256, 128),
        up_attention: Sequence[bool] = (True, True, True, False, False),
        layers: int = 2,
        heads: int = 16,
    ) -> None:
        super().__init__()
        self.unet = _UNet(down_channels, down_attention, mid_attention, up_channels, up_attention, layers, heads)
        self.conv = nn.Conv2d(CHANNELS_OUT, CHANNELS_OUT, 1)

    @classmethod
    def big(cls) -> LGM:
        """The released one: 415 million parameters, 65,536 Gaussians of pictures of 256 px."""
        return cls()

    @classmethod
    def small(cls) -> LGM:
        """One level fewer on the way up: 16,384 Gaussians."""
        return cls(up_channels=(1024, 1024, 512, 256), up_attention=(True, True, True, False))

    @classmethod
    def tiny(cls) -> LGM:
        """60 million parameters, 16,384 Gaussians."""
        return cls(
            (32, 64, 128, 256, 512), (False, False, False, False, True), True, (512, 256, 128), (True, False, False)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Rows for `Gaussians.from_activated`.

        Args:
            images: [B,4,9,S,S]: RGB normalized as for ImageNet, then the Pluecker coordinates of the rays.

        Returns:
            [B,N,14]: position, opacity, scale, rotation, RGB; views one after the other.
        """
        x = self.conv(self.unet(images.flatten(0, 1)))
        rows = x.unflatten(0, images.shape[:2]).permute(0, 1, 3, 4, 2).flatten(1, 3)
        place, opacity, scale, rotation, color = rows.split((3, 1, 3, 4, 3), dim=-1)
        return torch.cat(
            (
                place.clamp(-1, 1),
                opacity.sigmoid(),
                LARGEST_SCALE * F.softplus(scale),
                F.normalize(rotation, dim=-1),
                0.5 * color.tanh() + 0.5,
            ),
            dim=-1,
        )


def lgm_sizes(tensors: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """Arguments of `LGM` for a file, read off its tensors; heads are 16, as in all published ones.

    Raises:
        DisMoError: it is no LGM.
    """

    def levels(side: str) -> list[str]:
        count = 1 + max(
            (int(name.split(".")[2]) for name in tensors if name.startswith(f"unet.{side}_blocks.")), default=-1
        )
        return [f"unet.{side}_blocks.{k}" for k in range(count)]

    def attends(level: str) -> bool:
        return any(name.startswith(f"{level}.attns.") for name in tensors)

    try:
        widths = {
            side: [tensors[f"{level}.nets.0.conv1.weight"].shape[0] for level in levels(side)]
            for side in ("down", "up")
        }
        first = levels("down")[0]
    except (KeyError, IndexError, ValueError) as error:
        raise DisMoError(f"{source} is not an LGM: it has no {error}. Give model_fp16_fixrot.safetensors.") from error
    return {
        "down_channels": widths["down"],
        "down_attention": [attends(level) for level in levels("down")],
        "mid_attention": attends("unet.mid_block"),
        "up_channels": widths["up"],
        "up_attention": [attends(level) for level in levels("up")],
        "layers": len({name.split(".")[4] for name in tensors if name.startswith(f"{first}.nets.")}),
    }
