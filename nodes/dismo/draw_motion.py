"""The node that makes a motion of a path that a user draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Extractor, Motion

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core import MotionExtractor


class DrawMotion(io.ComfyNode):
    """Points or a stroke -> DISMO_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDrawMotion.md`."""
        return io.Schema(
            node_id="DisMoDrawMotion",
            display_name="Draw Motion (DisMo)",
            category="DisMo/motion",
            description="Makes a motion of a path that you draw: a thing that goes along it. Takes points, as spline editors give "
            "them, or a stroke in a mask.",
            inputs=[
                io.String.Input(
                    "points",
                    default='[{"x": 160, "y": 320}, {"x": 192, "y": 232}, {"x": 256, "y": 200}, {"x": 320, "y": 232}, '
                    '{"x": 352, "y": 320}]',
                    multiline=True,
                    tooltip="The path in pixels: pairs such as [[160, 320], [256, 200]], or points with x and y as coord_str of a spline "
                    "editor gives them. Of several paths the first is taken. Not looked at when a mask is connected.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="A stroke, painted white, in place of points. It is followed from left to right, or from top to bottom "
                    "where it is upright.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=16,
                    max=8192,
                    tooltip="Of what the points were drawn on, in pixels: as in the spline editor. A mask has its own.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=16,
                    max=8192,
                    tooltip="Of what the points were drawn on, in pixels. A mask has its own.",
                ),
                io.Int.Input(
                    "frames",
                    default=25,
                    min=5,
                    max=10000,
                    tooltip="Frames from one end of the path to the other. More frames = slower.",
                ),
                io.Float.Input(
                    "fps", default=8.0, min=1.0, max=60.0, step=0.1, tooltip="Frames per second of the motion."
                ),
                io.Combo.Input(
                    "pace",
                    options=["constant", "spaced"],
                    default="constant",
                    tooltip="constant = always as fast; spaced = as much time from each point to the next, so that wide gaps are "
                    "fast. A mask is followed at constant pace.",
                ),
                io.Boolean.Input("reverse", default=False, tooltip="Go from the end of the path to its beginning."),
                Extractor.Input(
                    "extractor",
                    optional=True,
                    tooltip="The one that your video model was trained with. Empty = tiny, for the layered model and the frame "
                    "generator.",
                ),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="Goes into Transfer Motion."),
                io.Image.Output(
                    "sampled",
                    display_name="sampled",
                    tooltip="A drawn clip whose motion was read: one of a few in other textures.",
                ),
            ],
            **compat.aliases("dismo", "path", "trajectory", "spline", "drag", "draw motion"),
        )

    @classmethod
    def execute(
        cls,
        points: str,
        width: int,
        height: int,
        frames: int,
        fps: float,
        pace: str,
        reverse: bool,
        mask: Input.Mask | None = None,
        extractor: MotionExtractor | None = None,
    ) -> io.NodeOutput:
        """Leave it to `dismo_core.path_motion`."""
        from ...dismo_core import path_motion

        with host.advising_on_memory():
            if extractor is not None:
                host.bring_to_device(extractor)
            motion, sampled = path_motion(
                points if mask is None else mask.cpu(),
                extractor,
                size=(height, width),
                frames=frames,
                fps=fps,
                pace=pace,
                reverse=reverse,
                runtime=host.runtime(),
            )
        return io.NodeOutput(motion, sampled.float().div_(255))
