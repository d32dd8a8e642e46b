"""Open-world motion transfer: the motion of one clip on another picture. Importing this loads no heavy library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dismo.motion import Motion
from .errors import DisMoError
from .imports import lazily
from .runtime import Runtime
from .settings import SamplingSettings
from .version import __version__

if TYPE_CHECKING:
    from .dismo.adapter.adapter import CogVideoXMotionAdapter
    from .dismo.drawn_path import path_motion
    from .dismo.extract import extract_motion
    from .dismo.layered.model import LayeredModel
    from .dismo.models.extractor import MotionExtractor
    from .dismo.models.generator import FrameGenerator
    from .dismo.presets import motion_preset
    from .dismo.rollout import FrameGeneratorModel
    from .dismo.weights import load_cogvideox_adapter, load_frame_generator, load_layered_model, load_motion_extractor
    from .video import read_video, write_video

__all__ = [
    "CogVideoXMotionAdapter",
    "DisMoError",
    "FrameGenerator",
    "FrameGeneratorModel",
    "LayeredModel",
    "Motion",
    "MotionExtractor",
    "Runtime",
    "SamplingSettings",
    "__version__",
    "extract_motion",
    "load_cogvideox_adapter",
    "load_frame_generator",
    "load_layered_model",
    "load_motion_extractor",
    "motion_preset",
    "path_motion",
    "read_video",
    "write_video",
]

_LAZY = {
    "CogVideoXMotionAdapter": ".dismo.adapter.adapter",
    "FrameGenerator": ".dismo.models.generator",
    "FrameGeneratorModel": ".dismo.rollout",
    "LayeredModel": ".dismo.layered.model",
    "MotionExtractor": ".dismo.models.extractor",
    "extract_motion": ".dismo.extract",
    "load_cogvideox_adapter": ".dismo.weights",
    "load_frame_generator": ".dismo.weights",
    "load_layered_model": ".dismo.weights",
    "load_motion_extractor": ".dismo.weights",
    "motion_preset": ".dismo.presets",
    "path_motion": ".dismo.drawn_path",
    "read_video": ".video",
    "write_video": ".video",
}


__getattr__ = lazily(__name__, _LAZY)
