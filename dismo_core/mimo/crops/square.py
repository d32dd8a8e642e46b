"""Square pictures for the network: padding, crops, the reference picture (docs/methods/mimo.md, 5.1 and 5.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from .boxes import bounding_box, square_side
from .clips import Clip

WHITE, BLACK = 255, 0
_MARGIN = 0.05  # of the height of a character, above and below


def pad_square(
    frame: NDArray[np.uint8],
    colour: int | tuple[int, int, int],
) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """A picture in the middle of a square whose side is its larger one, rounded up to a multiple of 16.

    Args:
        frame: uint8 [H, W, 3].
        colour: what is around it; one gray level or (red, green, blue), 0..255.

    Returns:
        uint8 [S, S, 3], and the rows and columns added as (top, bottom, left, right).
    """
    height, width = frame.shape[:2]
    if not height or not width:
        raise DisMoError(f"A picture of {width}x{height} px cannot be padded. Give one with at least one pixel.")
    side = square_side(width, height)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, 3), np.uint8)
    square[:] = colour
    square[top : top + height, left : left + width] = frame
    return square, (top, side - height - top, left, side - width - left)


def crop_square(
    frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    clips: Sequence[Clip],
    colour: int | tuple[int, int, int],
) -> list[NDArray[np.uint8]]:
    """What the network gets of each frame of each clip: cropped to the clip's box and padded to a square.

    Args:
        frames: uint8 [F, H, W, 3], or a sequence of [H, W, 3].
        clips: see `plan_crops`.
        colour: of the padding: black around bodies, white around backgrounds.

    Returns:
        One uint8 [S, S, 3] for each frame of each clip, in their order; S is that of the clip.
    """
    squares = []
    for clip in clips:
        x0, x1, y0, y1 = clip.box
        squares += [pad_square(frames[index][y0:y1, x0:x1], colour)[0] for index in clip.frames]
    return squares


def front_squares(
    frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    masks: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    clips: Sequence[Clip],
) -> list[NDArray[np.uint8]]:
    """What stands in front, on black, cropped as `crop_square` does: the pictures for networks of 12 channels.

    Args:
        frames: uint8 [F, H, W, 3] of the clip, or a sequence.
        masks: uint8 [F, H, W], 255 = stands in front, or a sequence.
        clips: see `plan_crops`.
    """
    squares = []
    for clip in clips:
        x0, x1, y0, y1 = clip.box
        for index in clip.frames:
            shown = frames[index][y0:y1, x0:x1] * (masks[index][y0:y1, x0:x1, None] / 255)
            squares.append(pad_square(shown.astype(np.uint8), BLACK)[0])
    return squares


def prepare_reference(picture: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The character on white, cropped to its alpha and padded to a square: the network's reference picture.

    Laid over white, truncated to bytes; the crop is the alpha's box with 5 % of its height above and below.

    Args:
        picture: uint8 [H, W, 3].
        alpha: uint8 [H, W]; 255 = character, 0 = background.

    Returns:
        uint8 [S, S, 3], S a multiple of 16.

    Raises:
        DisMoError: an alpha of another size, or one that is 0 everywhere.
    """
    if picture.shape != (*alpha.shape, 3) or picture.dtype != np.uint8 or alpha.dtype != np.uint8:
        raise DisMoError(
            f"The reference must be uint8 [H, W, 3] and its alpha uint8 [H, W], not {picture.dtype} {list(picture.shape)} "
            f"and {alpha.dtype} {list(alpha.shape)}."
        )
    box = bounding_box(alpha)
    if box is None:
        raise DisMoError(
            "The alpha of the reference picture is 0 everywhere: there is no character in it. Check the mask, or invert it."
        )
    x0, x1, y0, y1 = box
    margin = int(_MARGIN * (y1 - y0))
    y0, y1 = max(0, y0 - margin), min(len(alpha), y1 + margin)
    weight = alpha[..., None] / 255
    over_white = (picture * weight + 255 * (1 - weight)).astype(np.uint8)
    return pad_square(over_white[y0:y1, x0:x1], WHITE)[0]
