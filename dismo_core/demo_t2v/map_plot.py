"""Maps of the motion modules as a picture, below the frames that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..video.sheets import contact_sheet


def plot_maps(clip: Tensor, maps: Sequence[Tensor], columns: int = 8, height: int = 128) -> Tensor:
    """Frames in the first row, and below it the maps of each size, averaged; bright places look at the token more.

    Args:
        clip: uint8 [F, H, W, 3].
        maps: of `DemoTextToVideo.motion_maps`, [1, h, w, F] each.
        columns: frames that are shown.
        height: px of a row.

    Returns:
        uint8 [H', W', 3].
    """
    sizes: dict[int, list[Tensor]] = {}
    for one in maps:
        sizes.setdefault(one.shape[1], []).append(one[0])
    rows = [clip]
    for size in sorted(sizes, reverse=True):
        mean = torch.stack(sizes[size]).mean(dim=0).movedim(-1, 0)  # [F, h, w]
        low, high = mean.min(), mean.max()
        level = (mean - low) / (high - low).clamp_min(1e-12)
        wide = interpolate(level[:, None], clip.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
        grey = clip.float().mean(dim=-1) / 255
        # the frame in dark grey, lit where the map is high: red first, then yellow
        lit = torch.stack((0.25 * grey + wide, 0.25 * grey + (2 * wide - 1).clamp_min(0), 0.25 * grey), dim=-1)
        rows.append((lit.clamp(0, 1) * 255).to(torch.uint8))
    return contact_sheet(rows, min(columns, len(clip)), height)
