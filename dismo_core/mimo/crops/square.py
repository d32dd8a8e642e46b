"""Square pictures for the network: padding, crops, the reference picture (docs/methods/mimo.md, 5.1 and 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

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
    return list(Squares(frames, clips, colour))


class Squares(Sequence[NDArray[np.uint8]]):
    """`crop_square`, each made when it is asked for: the frames may lie in files.

    Args:
        frames: see `crop_square`.
        clips: likewise.
        colour: likewise.
        front: uint8 [F, H, W] or a sequence, 255 = stands in front: nothing else is shown, on black, as networks of 12 channels take
            it; None = the whole frame.
    """

    def __init__(
        self,
        frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        clips: Sequence[Clip],
        colour: int | tuple[int, int, int],
        front: Sequence[NDArray[np.uint8]] | NDArray[np.uint8] | None = None,
    ) -> None:
        self._frames, self._front, self._colour = frames, front, colour
        self._places = [(index, clip.box) for clip in clips for index in clip.frames]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, number: slice) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, number: int | slice) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        index, (x0, x1, y0, y1) = self._places[number]
        shown = self._frames[index][y0:y1, x0:x1]
        if self._front is not None:
            shown = (shown * (self._front[index][y0:y1, x0:x1, None] / 255)).astype(np.uint8)
        return pad_square(shown, self._colour)[0]


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
