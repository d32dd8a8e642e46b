"""How a made crop fades into the scene: one mask for each set of frame borders that it touches (docs/methods/mimo.md, 5.4)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DisMoError
from ...video import read_image
from ..crops.boxes import Box

# In the order, and with the names, of the published pictures alpha2_<case>.png.
CASES = (
    *("up_down_left_right", "left_right_up", "left_right_down", "up_down_left", "up_down_right", "left_right", "up_down"),
    *("left_up", "right_up", "left_down", "right_down", "left", "right", "up", "down", "inner"),
)  # fmt: skip
RAMP = 0.08  # of the crop's width and height
_BY_SIDES = {frozenset(case.split("_")) - {"inner"}: case for case in CASES}


def border_case(
    box: Box,
    *,
    width: int,
    height: int,
) -> str:
    """Which borders of the frame a box touches: "inner" (none), "left", "left_up", ... one of `CASES`.

    Args:
        box: (x0, x1, y0, y1), ends exclusive.
        width: of the frame, px.
        height: of the frame, px.
    """
    x0, x1, y0, y1 = box
    touched = {"left": x0 <= 0, "right": x1 >= width, "up": y0 <= 0, "down": y1 >= height}
    return _BY_SIDES[frozenset(side for side, touches in touched.items() if touches)]


def blend_mask(
    case: str,
    width: int,
    height: int,
    ramp: float = RAMP,
) -> NDArray[np.float32]:
    """Weight of the made picture: 1 inside, falling smoothly to 0 at every side that does not touch the frame's border.

    Over the outer `ramp` of the width or height, with u = 0 at the edge and 1 at the end of the ramp, u = (pixel + 0.5) / ramp px,
    the weight of a side is u² (3 - 2 u); those of the sides are multiplied.

    Args:
        case: one of `CASES`.
        width: of the crop, px.
        height: of the crop, px.
        ramp: share of the width and of the height, 0 (a hard edge) to 0.5.

    Returns:
        float32 [height, width], 0..1.
    """
    _require_case(case)
    if not 0 <= ramp <= 0.5:
        raise DisMoError(f"The ramp of a blend mask must be 0 to 0.5 of the crop, not {ramp}.")
    touched = case.split("_")
    columns = _profile(width, ramp, "left" in touched, "right" in touched)
    rows = _profile(height, ramp, "up" in touched, "down" in touched)
    return (rows[:, None] * columns[None]).astype(np.float32)


def load_blend_masks(folder: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """The published masks from a user's folder: alpha2_<case>.png for each of the 16 cases.

    Returns:
        case -> float32 [h, w], 0..1: the gray of the picture.

    Raises:
        DisMoError: a missing picture.
    """
    masks: dict[str, NDArray[np.float32]] = {}
    for case in CASES:
        path = Path(folder) / f"alpha2_{case}.png"
        if not path.is_file():
            raise DisMoError(
                f"{Path(folder)} has no {path.name}. The folder of blend masks holds alpha2_<case>.png for {', '.join(CASES)}."
            )
        pixels = (read_image(path).numpy() * 255).round().astype(np.uint8)
        masks[case] = np.asarray(Image.fromarray(pixels).convert("L"), np.float32) / np.float32(255)
    return masks


def _profile(length: int, ramp: float, touches_start: bool, touches_end: bool) -> NDArray[np.float64]:
    weights = np.ones(length)
    if ramp:
        u = np.clip((np.arange(length) + 0.5) / (ramp * length), 0, 1)
        edge = u * u * (3 - 2 * u)
        if not touches_start:
            weights = weights * edge
        if not touches_end:
            weights = weights * edge[::-1]
    return weights


def _require_case(case: str) -> None:
    if case not in CASES:
        raise DisMoError(f"There is no border case {case!r}. Choose one of {', '.join(CASES)}.")
