"""Nodes that load weights."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Extractor, VideoModel
from . import model_files


class LoadDisMoExtractor(io.ComfyNode):
    """Weights of a motion extractor -> DISMO_EXTRACTOR."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/LoadDisMoExtractor.md`."""
        return io.Schema(
            node_id="LoadDisMoExtractor",
            display_name="Load DisMo Extractor",
            category="DisMo",
            description="Loads the network that reads the motion of a clip. 'tiny' comes with this pack.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_files.extractors(),
                    default="tiny",
                    tooltip="'tiny' comes with this pack. motion_extractor_large is the released one, 2.4 GB, CC BY-NC "
                    "4.0: non-commercial use only. Your own files (.safetensors, .pt) go into models/dismo.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["fp32", "bf16", "fp16"],
                    default="fp32",
                    tooltip="Number format of the weights. fp32 is exact; bf16 and fp16 halve the memory.",
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "download",
                        default=False,
                        tooltip="Fetch the released extractor if it is missing. Off = no network; the error names the file.",
                    )
                ),
            ],
            outputs=[Extractor.Output("extractor", display_name="extractor", tooltip="Goes into Extract Motion.")],
            **compat.aliases("dismo", "motion extractor", "load motion model"),
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_: object) -> str:
        """Load again when the file has changed. Inputs that come from other nodes are None here."""
        return model_files.fingerprint(model)

    @classmethod
    def execute(cls, model: str, precision: str, download: bool) -> io.NodeOutput:
        """Load on the offload device; ComfyUI brings the weights to the GPU when they are needed."""
        from ...dismo_core import load_motion_extractor

        with torch.inference_mode(False):  # prompts run in inference mode; weights made there cannot be trained
            extractor = load_motion_extractor(
                model_files.resolve(model, download, host.download_progress()),
                device=host.offload_device(),
                dtype=host.DTYPES[precision],
            )
        host.register(extractor, extractor)
        return io.NodeOutput(extractor)


class LoadFrameGenerator(io.ComfyNode):
    """Weights of a frame generator -> DISMO_VIDEO_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoLoadFrameGenerator.md`."""
        return io.Schema(
            node_id="DisMoLoadFrameGenerator",
            display_name="Load Frame Generator (DisMo)",
            category="DisMo",
            description="Loads a small video model that moves a picture, four frames at a time. 'tiny' comes with this pack.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_files.choices(),
                    default="tiny",
                    tooltip="'tiny' comes with this pack. Your own files (.safetensors, .pt) go into models/dismo.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["fp32", "bf16", "fp16"],
                    default="fp32",
                    tooltip="Number format of the weights. fp32 is exact; bf16 and fp16 halve the memory.",
                ),
            ],
            outputs=[
                VideoModel.Output("video_model", display_name="video_model", tooltip="Goes into Transfer Motion.")
            ],
            **compat.aliases("dismo", "frame generator", "load video model"),
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_: object) -> str:
        """See LoadDisMoExtractor."""
        return model_files.fingerprint(model)

    @classmethod
    def execute(cls, model: str, precision: str) -> io.NodeOutput:
        """Load on the offload device; ComfyUI brings the weights to the GPU when they are needed."""
        from ...dismo_core import FrameGeneratorModel, load_frame_generator

        with torch.inference_mode(False):  # see LoadDisMoExtractor
            generator = load_frame_generator(
                model_files.resolve(model), device=host.offload_device(), dtype=host.DTYPES[precision]
            )
        video_model = FrameGeneratorModel(generator)
        host.register(video_model, generator)
        return io.NodeOutput(video_model)
