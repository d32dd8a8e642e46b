"""Small clips whose motion and looks are known."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

FRAMES = 13


def texture(seed: int, side: int = 160) -> Tensor:
    """Smooth colored noise [3, side, side], 0..1."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, side // 8, side // 8, generator=rng)
    fine = torch.rand(1, 3, side // 3, side // 3, generator=rng)
    size = (side, side)
    up = [F.interpolate(x, size=size, mode="bicubic", align_corners=False)[0] for x in (coarse, fine)]
    return (0.7 * up[0] + 0.3 * up[1]).clamp(0, 1)


def filmed(picture: Tensor, shifts: Tensor, angles: Tensor | None = None, size: int = 64) -> Tensor:
    """The content of `picture` moved by shifts [T, 2] px and turned by angles [T], seen through a window in its middle."""
    axis = torch.arange(size) + 0.5 - size / 2
    pixel = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    frames = []
    for shift, angle in zip(shifts, torch.zeros(len(shifts)) if angles is None else angles, strict=True):
        c, s = math.cos(angle), math.sin(angle)
        at = (pixel - shift) @ torch.tensor([[c, -s], [s, c]])
        grid = at / picture.shape[-1] * 2
        frames.append(F.grid_sample(picture[None], grid[None], align_corners=False)[0])
    return (torch.stack(frames) * 255).round().to(torch.uint8).movedim(1, -1)


def pan(seed: int, dx: float, dy: float, frames: int = FRAMES) -> Tensor:
    """A texture that moves by (dx, dy) px a frame, uint8 [T, 64, 64, 3]."""
    return filmed(texture(seed), torch.arange(frames)[:, None] * torch.tensor([dx, dy]))


def disc(seed: int, dx: float, dy: float, frames: int = FRAMES) -> Tensor:
    """A textured disc that moves by (dx, dy) px a frame over another texture that stands still."""
    ground, skin = pan(seed, 0, 0, frames), pan(seed + 1000, dx, dy, frames)
    axis = torch.arange(64) + 0.5 - 32
    at = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    centre = (torch.arange(frames) - frames / 2)[:, None] * torch.tensor([dx, dy])
    inside = (at - centre[:, None, None]).norm(dim=-1) < 14
    return torch.where(inside[..., None], 255 - skin, ground)
