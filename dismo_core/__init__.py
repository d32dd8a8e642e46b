"""Open-world motion transfer: the motion of one clip on another picture. Importing this loads no heavy library."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import DisMoError
from .motion import Motion
from .runtime import Runtime

if TYPE_CHECKING:
    from .cogvideox.adapter import CogVideoXMotionAdapter
    from .extract import extract_motion
    from .models.extractor import MotionExtractor
    from .models.generator import FrameGenerator
    from .rollout import FrameGeneratorModel
    from .video import read_video, write_video
    from .weights import load_cogvideox_adapter, load_frame_generator, load_motion_extractor

__version__ = "0.1.0"

__all__ = [
    "CogVideoXMotionAdapter",
    "DisMoError",
    "FrameGenerator",
    "FrameGeneratorModel",
    "Motion",
    "MotionExtractor",
    "Runtime",
    "extract_motion",
    "load_cogvideox_adapter",
    "load_frame_generator",
    "load_motion_extractor",
    "read_video",
    "write_video",
]

_LAZY = {
    "CogVideoXMotionAdapter": ".cogvideox.adapter",
    "FrameGenerator": ".models.generator",
    "FrameGeneratorModel": ".rollout",
    "MotionExtractor": ".models.extractor",
    "extract_motion": ".extract",
    "load_cogvideox_adapter": ".weights",
    "load_frame_generator": ".weights",
    "load_motion_extractor": ".weights",
    "read_video": ".video",
    "write_video": ".video",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module, __name__), name)
