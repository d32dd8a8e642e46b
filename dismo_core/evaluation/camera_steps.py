"""How all of a picture moves from frame to frame: shift, growth and turn, from dense optical flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DisMoError
from ..imports import importing
from .tracks import SIDE, SPACING

OUTLIER = 1.0  # px of frames of side 256

Complex = NDArray[np.complex128]


def camera_steps(frames: NDArray[np.uint8]) -> tuple[Complex, Complex]:
    """The similarity z -> scale z + shift about the middle that fits most of the flow of each step.

    Flow of every 16th pixel (Kroeger et al. 2016), and a fit that leaves out what does not follow the others (RANSAC).

    Args:
        frames: uint8 [T, H, H, 3], T >= 2, square.

    Returns:
        scale [T - 1], whose absolute value is the growth and whose angle the clockwise turn; shift [T - 1], x + iy, in
        sides of the picture.

    Raises:
        DisMoError: OpenCV is missing, a single frame, or frames that are not square.
    """
    with importing("cv2"):
        import cv2

    if len(frames) < 2 or frames.shape[1] != frames.shape[2]:
        raise DisMoError(f"Steps of a camera are measured between two or more square frames, not {list(frames.shape)}.")
    grey = [
        cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for f in frames
    ]
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    at = np.arange(SPACING // 2, SIDE, SPACING)
    here = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    middle = (SIDE - 1) / 2
    scale, shift = np.ones(len(grey) - 1, complex), np.zeros(len(grey) - 1, complex)
    for step, (before, after) in enumerate(zip(grey, grey[1:], strict=False)):
        moved = here + flow.calc(before, after, None)[here[:, 1], here[:, 0]]
        cv2.setRNGSeed(0)
        matrix, _ = cv2.estimateAffinePartial2D(
            (here - middle).astype(np.float64), moved - middle, ransacReprojThreshold=OUTLIER
        )
        if matrix is not None:  # else nothing agrees: taken for standing still
            scale[step] = complex(matrix[0, 0], matrix[1, 0])
            shift[step] = complex(matrix[0, 2], matrix[1, 2]) / SIDE
    return scale, shift
