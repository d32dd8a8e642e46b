"""The list of nodes that ComfyUI asks for."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .example import ExampleInputs
from .extract import ExtractMotion
from .loaders import LoadDisMoExtractor, LoadFrameGenerator
from .model_files import register_folder
from .sample import MotionTransferSample
from .save import SaveVideo


class DisMoExtension(ComfyExtension):
    """DisMo motion transfer."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Register the model folder (before any schema lists it) and name the nodes."""
        register_folder()
        return [
            LoadDisMoExtractor,
            ExtractMotion,
            LoadFrameGenerator,
            MotionTransferSample,
            SaveVideo,
            ExampleInputs,
        ]
