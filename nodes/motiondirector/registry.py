"""What ComfyUI is told of MotionDirector's nodes."""

from __future__ import annotations

from . import adapter_files
from .adapters import LoadMotionDirector, MergeMotionDirector, SaveMotionDirector
from .motion_clips import TakeMotionClips
from .sample import MotionDirectorSample
from .train import TrainMotionDirector

FOLDERS = (adapter_files.register_folder,)
NODES = [
    TakeMotionClips,
    TrainMotionDirector,
    LoadMotionDirector,
    SaveMotionDirector,
    MergeMotionDirector,
    MotionDirectorSample,
]
