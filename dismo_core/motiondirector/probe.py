"""An adapter's motion at a glance: one short sampling, and where points go in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..evaluation.track_json import draw_tracks
from ..evaluation.tracks import SIDE, track_grid
from ..runtime import Runtime
from ..video.sheets import GAP, enlarged
from .sampling import VideoSettings, sample_videos

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase
    from .dual_path import DualPathLoRA

STEPS, FRAMES = 8, 16


def probe_motion(
    base: TextToVideoBase, lora: DualPathLoRA, prompt: str, *, seed: int = 0, runtime: Runtime | None = None
) -> Tensor:
    """First frames with the tracks of points, with the motion adapter and, from the same noise, without it.

    8 steps at about half of the base's size: it shows where points go, not what the video looks like.

    Args:
        base: with the adapters in it.
        lora: the adapters, with a motion adapter.
        prompt: of both videos.
        seed: of their noise.
        runtime: stages and progress.

    Returns:
        uint8 [H,W,3], with the adapter on the left.
    """
    width, height = (max(8, side // 16 * 8) for side in base.size)
    settings = VideoSettings(prompt=prompt, width=width, height=height, frames=FRAMES, steps=STEPS, seed=seed)
    scale = lora.scales["motion"][0]
    panels = []
    for motion in (scale, 0.0):
        lora.set_scales(motion=motion)
        video = sample_videos(base, settings, lora, runtime=runtime)[0]
        tracks = track_grid(video)
        moving = tracks.points[tracks.visible.mean(axis=1) > 0.5]
        picture = enlarged(video[:1], round(SIDE * max(1, height / width)))[0]
        panels.append(draw_tracks(picture, np.asarray(moving, dtype=np.float64)) if len(moving) else picture)
    lora.set_scales(motion=scale)
    return torch.cat((panels[0], torch.full((panels[0].shape[0], GAP, 3), 255, dtype=torch.uint8), panels[1]), dim=1)
