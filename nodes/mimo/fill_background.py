"""The node that removes a person from a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from .media import to_frames, to_images, to_masks

if TYPE_CHECKING:
    from comfy_api.latest import Input


class FillBackground(io.ComfyNode):
    """Frames and masks -> the scene without the person."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoFillBackground.md`."""
        return io.Schema(
            node_id="DisMoMimoFillBackground",
            display_name="MIMO Fill Background",
            category="DisMo/MIMO/template",
            description="Replaces the person by what other frames show of the scene. What no frame shows is filled smoothly, and "
            "marked for a better inpainter.",
            inputs=[
                io.Image.Input("images", tooltip="The clip."),
                io.Mask.Input("person", tooltip="White where the person is, for each frame."),
                io.Int.Input(
                    "dilate",
                    default=4,
                    min=0,
                    max=64,
                    tooltip="Pixels by which the mask grows, for soft edges and shadows.",
                ),
                io.Combo.Input(
                    "align",
                    options=["none", "translation", "homography"],
                    default="none",
                    tooltip="How the camera moves: none = it stands still; translation = it shifts; homography = it turns or zooms.",
                ),
            ],
            outputs=[
                io.Image.Output("background", display_name="background", tooltip="For Build MIMO Template."),
                io.Mask.Output("unseen", display_name="unseen", tooltip="What no frame shows; for an inpainter."),
            ],
            **compat.aliases("dismo", "mimo", "remove person", "inpaint video", "clean plate"),
        )

    @classmethod
    def execute(cls, images: Input.Image, person: Input.Mask, dilate: int, align: str) -> io.NodeOutput:
        """Leave it to `fill_background`."""
        from ...dismo_core.mimo import fill_background

        host.runtime().stage("filling the background")
        background, unseen = fill_background(
            to_frames(images), to_masks(person, "person"), dilate=dilate, align=align, return_unseen=True
        )
        return io.NodeOutput(to_images(background), to_images(unseen))
