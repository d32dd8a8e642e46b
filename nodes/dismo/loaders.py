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
            description="Loads the published method's own decoder, which makes new frames of a picture, four at a time. "
            "'tiny' comes with this pack and makes 64 px; Load Layered Model is sharp at any size.",
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


class LoadLayeredModel(io.ComfyNode):
    """Weights of a layered model, and how it moves a picture -> DISMO_VIDEO_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoLoadLayeredModel.md`."""
        return io.Schema(
            node_id="DisMoLoadLayeredModel",
            display_name="Load Layered Model (DisMo)",
            category="DisMo",
            description="Loads the model that warps the picture itself: sharp at any size, in seconds, without a graphics "
            "card. 'tiny' comes with this pack.",
            inputs=[
                io.Combo.Input(
                    "head",
                    options=model_files.choices(),
                    default="tiny",
                    tooltip="What reads the motion. 'tiny' comes with this pack and reads those of the extractor tiny. Your "
                    "own files, trained for another extractor, go into models/dismo.",
                ),
                io.Combo.Input(
                    "moves",
                    options=["auto", "scene", "thing", "both"],
                    default="auto",
                    tooltip="What of the motion is used: scene = the camera, thing = what moves in front of it, both; auto = "
                    "whichever moves in the clip.",
                ),
                io.Combo.Input(
                    "borders",
                    options=["mirror", "extend", "crop"],
                    default="mirror",
                    tooltip="What shows beyond the picture: mirror = its mirror image, extend = its blurred edges, crop = "
                    "nothing, as the camera zooms in just far enough.",
                ),
                io.Float.Input(
                    "shutter",
                    default=0.0,
                    min=0.0,
                    max=360.0,
                    step=1.0,
                    tooltip="Motion blur: how long the shutter is open, in degrees. 0 = none, 180 = as in the cinema.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.1,
                    tooltip="Frames per second of the video; those between the frames of the motion are drawn, too. 0 = as many "
                    "as the motion has.",
                ),
            ],
            outputs=[
                VideoModel.Output(
                    "video_model",
                    display_name="video_model",
                    tooltip="Goes into Transfer Motion, Motion Tracks and Camera Path.",
                )
            ],
            **compat.aliases("dismo", "layered model", "parallax", "camera move", "load video model"),
        )

    @classmethod
    def fingerprint_inputs(cls, head: str | None = None, **_: object) -> str:
        """See LoadDisMoExtractor."""
        return model_files.fingerprint(head)

    @classmethod
    def execute(cls, head: str, moves: str, borders: str, shutter: float, fps: float) -> io.NodeOutput:
        """Load on the offload device; ComfyUI brings the weights to the GPU when they are needed."""
        from ...dismo_core import load_layered_model

        with torch.inference_mode(False):  # see LoadDisMoExtractor
            video_model = load_layered_model(
                model_files.resolve(head),
                device=host.offload_device(),
                moves=moves,
                borders=borders,
                shutter=shutter,
                fps=fps,
            )
        host.register(video_model, torch.nn.ModuleList([video_model.head, video_model.segmenter]))
        return io.NodeOutput(video_model)
