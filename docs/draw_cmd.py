"""Draws `web/docs/cmd_parts.png`: a drawn clip, a picture of its content, and what moves in each column and each row.

The picture needs no trained weights: the content is the mean frame, and what moves is measured.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from dismo_core.synthetic.moving_scenes import MovingScenes
from dismo_core.video.picture import to_uint8
from dismo_core.video.sheets import enlarged, save_picture

PAGES = Path(__file__).resolve().parents[1] / "web" / "docs"
SIDE, GAP, SHOWN = 128, 8, 5
CLIP = 3  # of those that seed 1 draws


def main() -> None:
    """Clip, content, motion along the width, motion along the height."""
    clip = MovingScenes(seed=1).pairs(0, 6, 16, 1 / 3).first[CLIP]  # [16,64,64,3]
    change = (clip - clip.mean(dim=0)).abs().mean(dim=3)
    frames = torch.linspace(0, len(clip) - 1, SHOWN).round().long()
    panels = [*clip[frames], clip.mean(dim=0), _heat(change.mean(dim=1)), _heat(change.mean(dim=2))]
    cells = enlarged(to_uint8(torch.stack([_square(panel) for panel in panels])), SIDE)
    white = torch.full((SIDE, GAP, 3), 255, dtype=torch.uint8)
    row = torch.cat([part for cell in cells for part in (cell, white)][:-1], dim=1)
    save_picture(row, PAGES / "cmd_parts.png", overwrite=True)


def _heat(values: Tensor) -> Tensor:
    """[time, places] as a picture in -1..1, bright where much changes."""
    return (values / values.max() * 2 - 1)[..., None].expand(-1, -1, 3)


def _square(panel: Tensor) -> Tensor:
    side = max(panel.shape[:2])
    return panel.repeat_interleave(side // panel.shape[0], dim=0).repeat_interleave(side // panel.shape[1], dim=1)


if __name__ == "__main__":
    main()
