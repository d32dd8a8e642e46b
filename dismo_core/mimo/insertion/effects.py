"""What makes an inserted character belong to the scene: a shadow at its feet, and the scene's colors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
DARKNESS = 0.45  # of the shadow's middle
_WIDE, _FLAT = 0.32, 0.045  # of the character's height: half axes of the shadow
_NEAR = 0.5  # of the height: how far around the feet the scene's colors are taken from
_SHARE = 0.5  # of the way to the scene's mean and deviation; all of it would make the character a piece of ground


def with_shadow(frame: Floats, x: float, foot: float, height: float) -> Floats:
    """The frame [H, W, 3] with a soft dark ellipse where a character of so many px stands.

    Times 1 - 0.45 exp(-2 r^2), where r is 1 on an ellipse of 0.32 and 0.045 of the height around the feet.
    """
    rows = (np.arange(frame.shape[0], dtype=np.float32) + 0.5 - foot)[:, None] / (_FLAT * height)
    columns = (np.arange(frame.shape[1], dtype=np.float32) + 0.5 - x)[None] / (_WIDE * height)
    factor: Floats = 1 - DARKNESS * np.exp(-2 * (rows**2 + columns**2))
    return frame * factor[..., None]


@dataclass(frozen=True)
class ColorShift:
    """A gain and an offset for each channel.

    Args:
        gain: [3].
        offset: [3], 0..255.
    """

    gain: Floats
    offset: Floats

    def of(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [h, w, 3] -> the same, changed."""
        changed: NDArray[np.uint8] = (picture * self.gain + self.offset).round().clip(0, 255).astype(np.uint8)
        return changed


def matching(
    character: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    scene: NDArray[np.uint8],
    x: float,
    foot: float,
    height: float,
) -> ColorShift:
    """Half of the change that would give the character the mean and deviation of the scene near its feet.

    Args:
        character: uint8 [h, w, 3].
        alpha: uint8 [h, w].
        scene: uint8 [H, W, 3], background.
        x: of the feet, px.
        foot: likewise, from above.
        height: of the character in the scene, px.
    """
    reach = max(4, int(_NEAR * height))
    rows = slice(max(0, int(foot) - reach), max(1, int(foot) + reach // 4))
    columns = slice(max(0, int(x) - reach), max(1, int(x) + reach))
    near = scene[rows, columns].reshape(-1, 3).astype(np.float32)
    own = character[alpha > 127].astype(np.float32)
    if not len(near) or not len(own):
        return ColorShift(np.ones(3, np.float32), np.zeros(3, np.float32))
    full = near.std(0) / np.maximum(own.std(0), 1)
    gain = 1 + _SHARE * (full.clip(0.5, 2) - 1)
    middle = own.mean(0) + _SHARE * (near.mean(0) - own.mean(0))
    return ColorShift(gain.astype(np.float32), (middle - gain * own.mean(0)).astype(np.float32))
