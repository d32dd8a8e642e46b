"""The node that brings a clip back to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from ..shared import clips, compat, host
from ..shared.sockets import DemoConditioning, DemoModel
from .advice import OUT_OF_MEMORY
from .demo_sample import as_latent

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.demo_t2v import DemoTextToVideo
    from .prompts import DemoPrompts


class DemoInvert(io.ComfyNode):
    """VIDEO -> its noise."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoInvert.md`."""
        return io.Schema(
            node_id="DisMoDemoInvert",
            display_name="DEMO Invert (DisMo)",
            category="DisMo/DEMO",
            description="Brings your own clip back to noise, so that DEMO Sample can move it as another motion prompt says.",
            inputs=[
                DemoModel.Input("model", tooltip="From Load DEMO."),
                DemoConditioning.Input(
                    "conditioning", tooltip="What the clip shows and how it moves now, from DEMO Prompts."
                ),
                io.Video.Input(
                    "video", optional=True, tooltip="The clip; its beginning is taken, as long as the model makes one."
                ),
                io.Image.Input("images", optional=True, tooltip="Or its frames, up to 64. Connect one of the two."),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="Steps to the noise; the more, the nearer the clip comes back. DEMO Sample needs as many.",
                ),
            ],
            outputs=[
                io.Latent.Output("noise", display_name="noise", tooltip="For start_noise of DEMO Sample."),
                io.Image.Output(
                    "fitted", display_name="fitted", tooltip="The frames as the model sees them, cut to its size."
                ),
            ],
            **compat.aliases("dismo", "demo", "ddim inversion", "video to video"),
        )

    @classmethod
    def execute(
        cls,
        model: DemoTextToVideo,
        conditioning: DemoPrompts,
        steps: int,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
    ) -> io.NodeOutput:
        """Fit the frames to the model, encode, invert."""
        clips.require_one("DEMO Invert", video, images)
        if video is not None:
            frames, _ = clips.beginning(video, model.defaults.fps, model.defaults.frames, InputImpl.VideoFromFile)
        else:
            frames = clips.to_bytes(images)
        fitted = model.fit(frames[: model.defaults.frames] if video is not None else frames)
        with host.advising_on_memory(OUT_OF_MEMORY):
            host.bring_to_device(model)
            noise = model.invert(fitted, conditioning.positive, steps=steps, runtime=host.runtime(model))
        return io.NodeOutput({"samples": as_latent(noise)}, (fitted.movedim(1, -1) + 1) / 2)
