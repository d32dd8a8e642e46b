"""The node that shows where a motion prompt acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import DemoConditioning, DemoModel
from .advice import OUT_OF_MEMORY

if TYPE_CHECKING:
    from ...dismo_core.demo_t2v import DemoTextToVideo
    from .prompts import DemoPrompts


class DemoMotionPlot(io.ComfyNode):
    """DISMO_DEMO_COND -> IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoMotionPlot.md`."""
        return io.Schema(
            node_id="DisMoDemoMotionPlot",
            display_name="DEMO Motion Plot (DisMo)",
            category="DisMo/DEMO",
            description="Makes a clip, and shows below its frames which places look at the end of the motion prompt.",
            inputs=[
                DemoModel.Input("model", tooltip="From Load DEMO."),
                DemoConditioning.Input("conditioning", tooltip="From DEMO Prompts, with the same model."),
                io.Int.Input("frames", default=0, min=0, max=64, tooltip="Of the clip; 0 = the model's own (16)."),
            ],
            outputs=[
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="First row: frames. Below, for each size of map: bright = looks at it more.",
                )
            ],
            **compat.aliases("dismo", "demo", "attention map", "visualize motion"),
        )

    @classmethod
    def execute(cls, model: DemoTextToVideo, conditioning: DemoPrompts, frames: int) -> io.NodeOutput:
        """Sample with the model's own settings, then ask for the maps."""
        from ...dismo_core.demo_t2v.map_plot import plot_maps

        with host.advising_on_memory(OUT_OF_MEMORY):
            host.bring_to_device(model)
            runtime = host.runtime(model)
            noise = model.noise(0, 1, frames)
            latents = model.sample_latents(conditioning.positive, conditioning.negative, noise, runtime=runtime)
            maps = model.motion_maps(conditioning.positive, conditioning.motion_prompt, latents, runtime=runtime)
            clip = model.decode(latents, runtime)[0]
        return io.NodeOutput(plot_maps(clip, maps)[None].float() / 255)
