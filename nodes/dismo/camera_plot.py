"""The node that gives the camera's way as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Motion, VideoModel
from .layered import require_layered

if TYPE_CHECKING:
    from ... import dismo_core
    from ...dismo_core.dismo.video_model import MotionVideoModel


class CameraPath(io.ComfyNode):
    """DISMO_MOTION -> the camera's way, as text and as a plot."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCameraPath.md`."""
        return io.Schema(
            node_id="DisMoCameraPath",
            display_name="Camera Path (DisMo)",
            category="DisMo/motion",
            description="Gives shift, zoom and rotation of the scene at every frame of a motion, for compositors and 3D programs.",
            inputs=[
                VideoModel.Input("model", tooltip="From Load Layered Model, with moves = auto, scene or both."),
                Motion.Input("motion", tooltip="From Extract Motion, with the extractor that this model knows."),
                io.Combo.Input(
                    "format",
                    options=["json", "csv"],
                    default="json",
                    tooltip="json = with frame rate and units; csv = a table for spreadsheets.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    tooltip="Of the picture, in pixels; with height it says its shape, where shifts meet zoom or rotation. 0 = square.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    tooltip="Of the picture, in pixels. 0 = square.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "path",
                    display_name="path",
                    tooltip="Shift in widths and heights of the picture, zoom as a factor, rotation in degrees clockwise.",
                ),
                io.Image.Output("plot", display_name="plot", tooltip="The same over time, drawn."),
            ],
            **compat.aliases("dismo", "camera motion", "matchmove", "zoom", "export camera"),
        )

    @classmethod
    def execute(
        cls, model: MotionVideoModel, motion: dismo_core.Motion, format: str, width: int = 0, height: int = 0
    ) -> io.NodeOutput:
        """Leave it to the model's path."""
        from ...dismo_core.dismo.layered.camera_path import camera_text, plot_camera

        layered = require_layered(model, "Camera Path")
        host.bring_to_device(layered)
        path, size = layered.path(motion), (height, width) if width and height else (1, 1)
        return io.NodeOutput(camera_text(path, format, size), plot_camera(path, size=size)[None].float().div_(255))
