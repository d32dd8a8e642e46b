"""What ComfyUI is told of DisMo's own nodes."""

from __future__ import annotations

from . import cogvideox_files, model_files, motion_files
from .camera_plot import CameraPath
from .draw_motion import DrawMotion
from .extract import ExtractMotion
from .load_cogvideox import LoadCogVideoXMotionAdapter
from .loaders import LoadDisMoExtractor, LoadFrameGenerator, LoadLayeredModel
from .motion_edit import EditMotion, MixMotion
from .motion_library import LoadMotion, SaveMotion
from .motion_plot import PlotMotion
from .motion_preset import MotionPreset
from .motion_tracks import MotionTracks, TracksFromVideo
from .sample import MotionTransferSample
from .video_lora import VideoLoRA
from .what_moves import WhatMoves

FOLDERS = (model_files.register_folder, cogvideox_files.register_folder, motion_files.register_folder)
NODES = [
    LoadDisMoExtractor,
    ExtractMotion,
    LoadFrameGenerator,
    MotionTransferSample,
    SaveMotion,
    LoadMotion,
    EditMotion,
    MixMotion,
    PlotMotion,
    LoadCogVideoXMotionAdapter,
    VideoLoRA,
    LoadLayeredModel,
    MotionTracks,
    CameraPath,
    TracksFromVideo,
    WhatMoves,
    MotionPreset,
    DrawMotion,
]
