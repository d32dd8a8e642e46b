"""The node that puts made squares back into the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MimoCrops, MimoTemplate
from .media import counted, to_frames, video_file

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.mimo import Template
    from .plan_crops import Crops


class Compose(io.ComfyNode):
    """Squares, crops, DISMO_MIMO_TEMPLATE -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoCompose.md`."""
        return io.Schema(
            node_id="DisMoMimoCompose",
            display_name="MIMO Compose",
            category="DisMo/MIMO/steps",
            description="Lays the made squares over the scene, and what stands in front over them. The squares may come from any model.",
            inputs=[
                io.Image.Input("frames", tooltip="A square for each pose of MIMO Plan Crops, of any size."),
                MimoCrops.Input("crops", tooltip="From MIMO Plan Crops."),
                MimoTemplate.Input("template", tooltip="The one that the crops were planned for."),
                io.Float.Input(
                    "feather",
                    default=0.08,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Share of a crop over which its edge fades into the scene. 0 = a hard edge.",
                ),
                io.String.Input(
                    "blend_masks",
                    default="",
                    tooltip="Folder with the published alpha2_*.png, used in the place of feather. Empty = feather.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="At the template's rate, with its sound. It lies in a temporary file.",
                )
            ],
            **compat.aliases("dismo", "mimo", "paste back"),
        )

    @classmethod
    def execute(
        cls, frames: Input.Image, crops: Crops, template: Template, feather: float, blend_masks: str
    ) -> io.NodeOutput:
        """One frame after the other, into a file."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo import load_blend_masks
        from ...dismo_core.mimo.compositing.compose import composed_frames

        opened = template.open(None)
        last = crops.clips[-1].frames[-1] + 1
        if last != len(opened):
            raise DisMoError(
                f"The crops are those of {last} frames, and the template has {len(opened)}. "
                "Connect the template that they were planned for."
            )
        runtime = host.runtime()
        made = composed_frames(
            to_frames(frames),
            crops.clips,
            opened.bk,
            source=opened.vid,
            occlusion=opened.occ,
            masks=load_blend_masks(blend_masks) if blend_masks.strip() else None,
            overlap=crops.overlap,
            ramp=feather,
        )
        sound = template.audio(len(opened))
        return io.NodeOutput(video_file(made, template.fps, sound, counted(runtime, len(opened))))
