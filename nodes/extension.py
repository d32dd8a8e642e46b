"""The list of nodes that ComfyUI asks for."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .dismo import cogvideox_files, model_files, motion_files
from .dismo.camera_plot import CameraPath
from .dismo.draw_motion import DrawMotion
from .dismo.extract import ExtractMotion
from .dismo.load_cogvideox import LoadCogVideoXMotionAdapter
from .dismo.loaders import LoadDisMoExtractor, LoadFrameGenerator, LoadLayeredModel
from .dismo.motion_edit import EditMotion, MixMotion
from .dismo.motion_library import LoadMotion, SaveMotion
from .dismo.motion_plot import PlotMotion
from .dismo.motion_preset import MotionPreset
from .dismo.motion_tracks import MotionTracks, TracksFromVideo
from .dismo.sample import MotionTransferSample
from .dismo.video_lora import VideoLoRA
from .dismo.what_moves import WhatMoves
from .gaussians4d.fit import Fit
from .gaussians4d.library import Load, Save
from .gaussians4d.loaders import LoadGuidance, LoadStatic
from .gaussians4d.mesh import Mesh, Refine
from .gaussians4d.prepare_clip import PrepareClip
from .gaussians4d.render import Frames, Render
from .gaussians4d.static import LoadGaussians, Static
from .shared.example import ExampleInputs
from .shared.hints import explained
from .shared.save import SaveVideo


class DisMoExtension(ComfyExtension):
    """DisMo motion transfer."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Register the folders (before any schema lists them) and name the nodes."""
        model_files.register_folder()
        cogvideox_files.register_folder()
        motion_files.register_folder()
        nodes: list[type[io.ComfyNode]] = [
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
            LoadLayeredModel,
            MotionTracks,
            CameraPath,
            TracksFromVideo,
            WhatMoves,
            MotionPreset,
            DrawMotion,
            PrepareClip,
            LoadStatic,
            Static,
            LoadGaussians,
            LoadGuidance,
            Fit,
            Render,
            Mesh,
            Refine,
            Frames,
            Save,
            Load,
        ]
        return [explained(node) for node in nodes]
