"""How well the segmenter finds things: on held-out drawn pictures, and on two photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...evaluation.real_clips import read_photograph
from ...synthetic.held_out.scenes import Frames, draw_scene

WANTED = 0.85
# The thing in each photograph by hand: corners (x, y) of its outline, px of the whole photograph.
OUTLINES = {
    "china.jpg": (
        (204, 30), (216, 62), (318, 118), (320, 150), (330, 174), (322, 232), (352, 252), (346, 300), (372, 340),
        (352, 372), (240, 390), (90, 345), (76, 330), (78, 275), (64, 262), (96, 232), (98, 192), (84, 172), (120, 148),
        (96, 120), (188, 66), (192, 32),
    ),
    "flower.jpg": tuple(
        (308 + 138 * np.cos(angle), 222 + 136 * np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ),
}  # fmt: skip


def overlap(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    either = int((found | true).sum())
    return int((found & true).sum()) / either if either else 1.0


def judge_masks(
    find: Callable[[torch.Tensor], torch.Tensor], scenes: int, progress: Callable[[int, int], None]
) -> tuple[list[dict[str, Any]], list[tuple[str, list[Frames]]]]:
    """Overlap of found and true masks.

    Args:
        find: picture [H, W, 3], 0..1 -> mask [H, W], 0..1.
        scenes: how many held-out scenes; those whose picture holds no thing are left out.
        progress: called with (pictures done, in all).

    Returns:
        Rows with name and overlap; and captioned pictures with what was found, for a contact sheet.

    Raises:
        DisMoError: the photographs' package is not installed.
    """
    cases = []
    for index in range(scenes):
        target = draw_scene(index).targets["same"]
        if target.masks[0].any():
            cases.append((f"drawn scene {index}", target.picture, target.masks[0] > 0.5))
    for name, outline in OUTLINES.items():
        photograph = read_photograph(name)
        drawn = Image.new("1", photograph.size)
        ImageDraw.Draw(drawn).polygon([(float(x), float(y)) for x, y in outline], fill=1)
        cases.append((name, np.asarray(photograph), np.asarray(drawn)))
    rows, shown = [], []
    for number, (name, picture, true) in enumerate(cases):
        found = find(torch.from_numpy(picture.astype(np.float32) / 255)).numpy() > 0.5
        rows.append({"picture": name, "overlap": overlap(found, true)})
        laid_over = np.where(found[..., None], picture, picture // 4)
        shown.append((f"{name}: {rows[-1]['overlap']:.2f}", [np.stack([picture, laid_over])]))
        progress(number + 1, len(cases))
    return rows, shown
