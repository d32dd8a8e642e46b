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
from .mimo import template_files
from .mimo.build_template import BuildTemplate
from .mimo.compose import Compose
from .mimo.example import Example
from .mimo.fill_background import FillBackground
from .mimo.generate import Animate, Edit
from .mimo.insert import InsertCharacter
from .mimo.load_model import LoadModel
from .mimo.occluders import Occluders
from .mimo.plan_crops import PlanCrops
from .mimo.reference import PrepareReference
from .mimo.render_body import RenderBody
from .mimo.sample import Sample
from .mimo.template_library import LoadTemplate, SaveTemplate, TemplateParts
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
        template_files.register_folder()
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
            LoadModel,
            Example,
            PrepareReference,
            LoadTemplate,
            BuildTemplate,
            SaveTemplate,
            TemplateParts,
            FillBackground,
            Occluders,
            RenderBody,
            PlanCrops,
            Sample,
            Compose,
            Animate,
            Edit,
            InsertCharacter,
        ]
        return [explained(node) for node in nodes]
