"""What the layered model is held against on held-out scenes: its bound, what works without it, and what is wanted of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...evaluation.scene_scores import Goals
from ...evaluation.score import Goal
from ...imports import importing
from ...synthetic.held_out.scenes import MIDDLE, SIZE, Frames, Scene
from ..layered.layers import take_apart
from ..layered.path import Path
from ..layered.rendered import RenderedFrames
from ..layered.renderer import Renderer
from .pipeline import FPS

Array = NDArray[np.float64]
HIGH = np.inf


def _translation(
    cosine: float, path: float, end: float, gain: float, area: float, sharp: float, color: float
) -> dict[str, Goal]:
    return {
        "velocity_cosine": (f">= {cosine}", cosine, HIGH),
        "end_point_error_percent": (f"<= {path}", -HIGH, path),
        "end_error_percent": (f"<= {end}", -HIGH, end),
        "psnr_gain_db": (f">= {gain}", gain, HIGH),
        "area_ratio": (f"{1 - area:.2f}..{1 + area:.2f}", 1 - area, 1 + area),
        "sharpness_ratio": (f">= {sharp}", sharp, HIGH),
        "color_ratio": (f"<= {color}", -HIGH, color),
    }


LAYERED_GOALS: Goals = {
    "transfer": {
        "translation": _translation(0.96, 12, 18, 4.0, 0.03, 0.95, 0.05),
        "pan": {
            "velocity_cosine": (">= 0.985", 0.985, HIGH),
            "end_point_error_percent": ("<= 8", -HIGH, 8.0),
            "end_error_percent": ("<= 15", -HIGH, 15.0),
            "psnr_gain_db": (">= 5.5", 5.5, HIGH),
            "sharpness_ratio": (">= 0.95", 0.95, HIGH),
        },
        "scale": {"factor_error_percent": ("<= 10", -HIGH, 10.0)},
        "rotation": {"angle_error_degrees": ("<= 25", -HIGH, 25.0)},
    },
    "mask found": {"translation": _translation(0.95, 13, 20, 3.5, 0.1, 0.9, 0.08)},
}


def true_motion(scene: Scene, column: str) -> Frames:
    """The target as its true path moves it, by the same renderer: nothing that reads a motion can do better."""
    target = scene.targets[column]
    way = target.path
    steps = np.zeros((len(way.angle) - 1, 8))
    first = 0 if scene.family == "pan" else 4
    steps[:, first : first + 2] = np.diff(way.displacement, axis=0) / SIZE
    steps[:, first + 2], steps[:, first + 3] = np.diff(way.log_scale), np.diff(way.angle)
    mask = None if scene.family == "pan" else torch.from_numpy(target.masks[0]).float()
    picture = torch.from_numpy(target.picture.astype(np.float32) / 255)
    x, y = target.stage.start - MIDDLE
    renderer = Renderer(take_apart(picture, mask))
    frames = RenderedFrames(renderer, Path(torch.from_numpy(steps), FPS), (float(x), float(y)), FPS)
    return torch.stack(list(frames)).numpy()


def optical_flow(scene: Scene, column: str) -> Frames:
    """The target picture, each pixel moved as that of the driver at the same place: what there is without an extractor.

    Dense flow (Kroeger et al. 2016) is followed back from each frame to the first.

    Raises:
        DisMoError: OpenCV is missing.
    """
    with importing("cv2"):
        import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in scene.driver]
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    picture = scene.targets[column].picture
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    back: NDArray[Any] = np.zeros((SIZE, SIZE, 2), np.float32)
    video: list[NDArray[Any]] = [picture]
    for before, after in zip(grey, grey[1:], strict=False):
        step = np.asarray(flow.calc(after, before, None))
        there = x + step[..., 0], y + step[..., 1]
        back = step + cv2.remap(back, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        video.append(
            cv2.remap(picture, x + back[..., 0], y + back[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        )
    return np.stack(video)
