"""A person without a mask: what differs from the temporal median of a clip whose camera stands still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ..crops.silhouette import dilate, erode
from .fragments import largest_fragment

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]

LOOKED_AT = 49  # frames that the median is taken of
CLEAR, SURE = 10, 34  # levels: a difference up to the first is noise, from the second on certain
_CLOSED = 3  # px, over which gaps are closed
_NEAR = 6  # px around the largest piece, where small ones belong to it


def person_by_difference(frames: Frames) -> NDArray[np.uint8]:
    """Masks of what differs from the median of all frames: the largest connected piece, and what lies close to it.

    The difference is the largest of the three channels; from 10 to 34 levels the mask grows from 0 to 255, so that edges are soft.
    Serves a still camera in front of which one person moves; who stands still for half of the clip is part of its median.

    Args:
        frames: uint8 [F, H, W, 3].

    Returns:
        uint8 [F, H, W], 255 = person.

    Raises:
        DisMoError: fewer than three frames, or nothing that moves.
    """
    if len(frames) < 3:
        raise DisMoError(
            f"A person is found by what changes, and the clip has {len(frames)} frames. Give at least 3, or a mask of the person."
        )
    chosen = np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).round().astype(int)
    scene = np.median(np.stack([frames[index] for index in chosen]), 0)
    masks = np.stack([_mask(frame, scene) for frame in frames])
    if not masks.any():
        raise DisMoError(
            "Nothing moves in the clip, so the person cannot be told from the scene. Give a mask of the person."
        )
    return masks


def _mask(frame: NDArray[np.uint8], scene: NDArray[np.floating]) -> NDArray[np.uint8]:
    difference = np.abs(frame - scene).max(-1)
    soft = ((difference - CLEAR) / (SURE - CLEAR)).clip(0, 1)
    solid = np.where(soft > 0.5, 255, 0).astype(np.uint8)
    solid = erode(dilate(solid, _CLOSED, _CLOSED), _CLOSED, _CLOSED)
    near = dilate(np.where(largest_fragment(solid), 255, 0).astype(np.uint8), _NEAR, _NEAR) > 0
    return np.where(near, np.maximum(255 * soft, solid), 0).astype(np.uint8)
