"""Pictures for people: contact sheets, and videos side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from ..files import atomic_write

GAP = 4  # px of white between panels


def enlarged(frames: Tensor, height: int) -> Tensor:
    """uint8 [T,H,W,3] -> uint8 [T,height,w,3], bicubic, aspect kept."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    x = frames.movedim(-1, 1).float()
    x = F.interpolate(x, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8).movedim(1, -1)


def side_by_side(rows: Sequence[Tensor], height: int = 256) -> Tensor:
    """Several videos uint8 [T,H,W,3] of one length beside each other, uint8 [T,height,W',3]."""
    panels: list[Tensor] = []
    for frames in rows:
        if panels:
            panels.append(torch.full((len(frames), height, GAP, 3), 255, dtype=torch.uint8))
        panels.append(enlarged(frames, height))
    return torch.cat(panels, dim=2)


def contact_sheet(rows: Sequence[Tensor], columns: int = 9, height: int = 128) -> Tensor:
    """Evenly spaced frames of several videos, one row each, uint8 [H,W,3]; narrower ones stand in the middle of their columns."""
    panels = []
    for frames in rows:
        index = torch.linspace(0, len(frames) - 1, columns).round().long()
        panels.append(enlarged(frames[index], height))
    width = max(row.shape[2] for row in panels)
    lines: list[Tensor] = []
    for row in panels:
        left = (width - row.shape[2]) // 2
        sides = (0, 0, left, width - row.shape[2] - left + GAP)
        line = torch.cat([F.pad(panel, sides, value=255) for panel in row], dim=1)
        lines.append(F.pad(line, (0, 0, 0, 0, 0, GAP), value=255))
    return torch.cat(lines)


def save_picture(picture: Tensor, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write uint8 [H,W,3] as PNG or JPEG, by the suffix.

    Raises:
        DisMoError: the file exists and `overwrite` is false, or cannot be written.
    """
    from PIL import Image

    with atomic_write(path, overwrite=overwrite) as temporary:
        try:
            Image.fromarray(picture.numpy()).save(temporary)
        except ValueError as error:  # a suffix of no kind of picture
            raise DisMoError(
                f"{os.fspath(path)} cannot be written as a picture. Give a name that ends in .png or .jpg."
            ) from error
