"""The list of nodes that ComfyUI asks for."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import cogvideox_files, model_files, motion_files
from .example import ExampleInputs
from .extract import ExtractMotion
from .load_cogvideox import LoadCogVideoXMotionAdapter
from .loaders import LoadDisMoExtractor, LoadFrameGenerator
from .motion_edit import EditMotion, MixMotion
from .motion_library import LoadMotion, SaveMotion
from .motion_plot import PlotMotion
from .sample import MotionTransferSample
from .save import SaveVideo
from .video_lora import VideoLoRA


class DisMoExtension(ComfyExtension):
    """DisMo motion transfer."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Register the folders (before any schema lists them) and name the nodes."""
        model_files.register_folder()
        cogvideox_files.register_folder()
        motion_files.register_folder()
        return [
            LoadDisMoExtractor,
            ExtractMotion,
            LoadFrameGenerator,
            MotionTransferSample,
            SaveVideo,
            ExampleInputs,
            SaveMotion,
            LoadMotion,
            EditMotion,
            MixMotion,
            PlotMotion,
            LoadCogVideoXMotionAdapter,
            VideoLoRA,
        ]
