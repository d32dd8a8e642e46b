"""The node that finds what stands in front of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat
from .media import one_picture, to_images, to_masks

if TYPE_CHECKING:
    from comfy_api.latest import Input


class Occluders(io.ComfyNode):
    """Segments and depth of a frame -> what stands in front."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoOccluders.md`."""
        return io.Schema(
            node_id="DisMoMimoOccluders",
            display_name="MIMO Occluders",
            category="DisMo/MIMO/template",
            description="Tells which segments of one frame stand in front of the person, by depth and by what they cover of the body.",
            inputs=[
                io.Mask.Input("person", tooltip="White where the person is seen in this frame."),
                io.Mask.Input("segments", tooltip="A batch of masks, one for each thing in the frame."),
                io.Image.Input("depth", tooltip="Depth of the frame: nearer is brighter."),
                io.Image.Input("body", tooltip="The whole body on black, with what is hidden of it."),
            ],
            outputs=[
                io.Mask.Output(
                    "occlusion", display_name="occlusion", tooltip="What stands in front; track it through the clip."
                ),
                io.Int.Output("kept", display_name="kept", tooltip="How many segments that are."),
            ],
            **compat.aliases("dismo", "mimo", "foreground", "occlusion"),
        )

    @classmethod
    def execute(cls, person: Input.Mask, segments: Input.Mask, depth: Input.Image, body: Input.Image) -> io.NodeOutput:
        """Leave it to `occluders`."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo import occluders, silhouette

        people = to_masks(person, "person")
        if len(people) != 1:
            raise DisMoError(f"person takes the mask of one frame, and {len(people)} are connected. Take one of them.")
        seen = silhouette(one_picture(body, "body")) > 0
        near = one_picture(depth, "depth")[..., 0]
        kept, front = occluders(people[0] // 128, to_masks(segments, "segments") > 127, near, seen)
        return io.NodeOutput(to_images([front.astype("uint8") * 255]), len(kept))
