"""Colors into a texture: samples splatted bilinearly, holes filled (docs/methods/gaussians4d.md, 7.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def splat_texture(
    height: int, width: int, coords: Tensor, values: Tensor, min_resolution: int = 256
) -> tuple[Tensor, Tensor]:
    """Spread samples over the four texels around them; where none comes, over those of a picture half as large, and so on.

    Args:
        height: of the texture.
        width: of the texture.
        coords: [N,2], row and column, -1..1 from the middle of the first texel to that of the last.
        values: [N,C].
        min_resolution: pictures of a shorter side up to this are not used.

    Returns:
        Sums [height,width,C] and weights [height,width,1]; their quotient is the color where the weight is above 0.
    """
    total = values.new_zeros(height, width, values.shape[1])
    count = values.new_zeros(height, width, 1)
    h, w = height, width
    while min(h, w) > min_resolution:
        empty = count[..., 0] == 0
        if not bool(empty.any()):
            break
        both = _splat(h, w, coords, torch.cat((values, torch.ones_like(values[:, :1])), dim=1))
        spread = F.interpolate(both.movedim(-1, 0)[None], (height, width), mode="bilinear", align_corners=False)[0]
        spread = spread.movedim(0, -1)
        total[empty] += spread[empty][:, :-1]
        count[empty] += spread[empty][:, -1:]
        h, w = h // 2, w // 2
    return total, count


def _splat(height: int, width: int, coords: Tensor, values: Tensor) -> Tensor:
    size = coords.new_tensor([height - 1, width - 1])
    place = (coords * 0.5 + 0.5) * size
    corner = place.floor().clamp(min=torch.zeros_like(size), max=size - 1)
    part = place - corner
    out = values.new_zeros(height * width, values.shape[1])
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (part[:, 0] if dy else 1 - part[:, 0]) * (part[:, 1] if dx else 1 - part[:, 1])
            index = ((corner[:, 0] + dy) * width + corner[:, 1] + dx).long()
            out.index_add_(0, index, values * weight[:, None])
    return out.view(height, width, -1)


def dilate(texture: Tensor, filled: Tensor, steps: int = 32) -> Tensor:
    """Grow colors into the texels beside them, so that no seam shows.

    Args:
        texture: [H,W,3].
        filled: [H,W], bool.
        steps: texels.
    """
    texture, filled = texture.clone(), filled.clone()
    for _ in range(steps):
        weight = filled.to(texture)[None, None]
        kernel = texture.new_tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]
        colors = (texture * filled[..., None]).movedim(-1, 0)[:, None]
        near = F.conv2d(weight, kernel, padding=1)[0, 0]
        sums = F.conv2d(colors, kernel, padding=1)[:, 0].movedim(0, -1)
        new = ~filled & (near > 0)
        if not bool(new.any()):
            break
        texture[new] = sums[new] / near[new][:, None]
        filled |= new
    return texture
