"""The node that paints a body's mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..shared import compat, host
from . import weight_files
from .media import to_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RenderBody(io.ComfyNode):
    """MESH -> pictures of a body on black."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoRenderBody.md`."""
        return io.Schema(
            node_id="DisMoMimoRenderBody",
            display_name="MIMO Render Body",
            category="DisMo/MIMO/template",
            description="Paints a body on black, unlit, as MIMO's networks follow it: one mesh of the batch for each frame.",
            inputs=[
                io.Mesh.Input(
                    "mesh",
                    tooltip="A batch of meshes, one for each frame, in the camera's coordinates: x right, y down, z forwards.",
                ),
                io.Int.Input("width", default=512, min=16, max=8192, tooltip="Of the clip, px."),
                io.Int.Input("height", default=512, min=16, max=8192, tooltip="Of the clip, px."),
                io.Float.Input(
                    "focal",
                    default=0.0,
                    min=0.0,
                    max=1000000.0,
                    step=0.1,
                    tooltip="Focal length, px. 0 = as the published software has it: 5000 / 256 of the longer side.",
                ),
                io.Combo.Input(
                    "colours",
                    options=["height", "release file"],
                    default="height",
                    tooltip="height = from blue at the feet to yellow at the head; release file = sdc_info.npy in models/dismo/mimo, "
                    "which the released weights expect.",
                ),
            ],
            outputs=[io.Image.Output("body", display_name="body", tooltip="For Build MIMO Template.")],
            **compat.aliases("dismo", "mimo", "smpl", "mesh render"),
        )

    @classmethod
    def execute(cls, mesh: Any, width: int, height: int, focal: float, colours: str) -> io.NodeOutput:
        """One frame after the other; colors are those of the first frame's vertices."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo import render_body
        from ...dismo_core.mimo.templates.body_colours import height_colours, read_body_colours
        from ...dismo_core.mimo.templates.render import default_focal

        vertices, faces = (x.detach().cpu().numpy() for x in (mesh.vertices, mesh.faces))
        if vertices.ndim != 3 or faces.ndim not in (2, 3) or not len(vertices):
            raise DisMoError(f"mesh must be a batch [frames, vertices, 3], not {list(vertices.shape)}.")
        if not (vertices[..., 2] > 0).any():
            raise DisMoError(
                "The mesh lies behind the camera in every frame: z must be above 0 there. Move it, or turn its z axis round."
            )
        paint = height_colours(vertices[0]) if colours == "height" else read_body_colours(weight_files.colours_path())
        runtime = host.runtime()
        frames: list[NDArray[np.uint8]] = []
        for number, points in enumerate(vertices):
            runtime.check_cancel()
            corners = faces if faces.ndim == 2 else faces[min(number, len(faces) - 1)]
            length = focal or default_focal(width, height)
            frames.append(render_body(points, corners, paint, focal=length, width=width, height=height))
            runtime.progress(number + 1, len(vertices), None)
        return io.NodeOutput(to_images(frames))
