"""Nodes that draw content frames and motions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import CMDModel, CMDMotion
from . import pictures
from .cmd_encode import SIZE

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.content_motion import ContentMotionModel

FPS = 8.0  # of what is drawn: models are trained on frames, not on seconds


class CMDSampleContent(io.ComfyNode):
    """Class -> content frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDSampleContent.md`."""
        return io.Schema(
            node_id="DisMoCMDSampleContent",
            display_name="CMD Sample Content (DisMo)",
            category="DisMo/CMD",
            description="Draws content frames of a class. Any other picture can take their place.",
            inputs=[
                CMDModel.Input("model", tooltip="From CMD Load Model; it needs a content model."),
                io.Int.Input(
                    "label",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Number of the class. Of tiny: 0 = an object moves, 1 = the camera, 2 = both, 3 = nothing.",
                ),
                io.Float.Input(
                    "guidance",
                    default=4.0,
                    min=0.0,
                    max=20.0,
                    step=0.1,
                    tooltip="How closely the class is kept to; 1 = no guidance.",
                ),
                io.Int.Input("steps", default=50, min=2, max=1000, tooltip="Steps of the sampling."),
                io.Combo.Input(
                    "sampler",
                    options=["ancestral", "ddim"],
                    default="ancestral",
                    tooltip="ancestral = as released, ddim = as in the paper.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Other seeds give other pictures.",
                ),
                io.Int.Input(
                    "batch_size", default=1, min=1, max=64, tooltip="Pictures; the second has the seed after this one."
                ),
            ],
            outputs=[
                io.Image.Output(
                    "content", display_name="content", tooltip="Goes into CMD Sample Motion and CMD Decode."
                )
            ],
            **compat.aliases("dismo", "cmd", "generate content frame"),
        )

    @classmethod
    def execute(
        cls,
        model: ContentMotionModel,
        label: int,
        guidance: float,
        steps: int,
        sampler: str,
        seed: int,
        batch_size: int,
    ) -> io.NodeOutput:
        """Leave it to `dismo_core`."""
        host.bring_to_device(model)
        content = model.sample_content(
            [label] * batch_size, cfg=guidance, seed=seed, steps=steps, sampler=sampler, runtime=host.runtime(model)
        )
        return io.NodeOutput(pictures.as_images(content))


class CMDSampleMotion(io.ComfyNode):
    """Content frame -> DISMO_CMD_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDSampleMotion.md`."""
        return io.Schema(
            node_id="DisMoCMDSampleMotion",
            display_name="CMD Sample Motion (DisMo)",
            category="DisMo/CMD",
            description="Draws a motion for a picture.",
            inputs=[
                CMDModel.Input("model", tooltip="From CMD Load Model; it needs a motion model."),
                io.Image.Input(
                    "content",
                    tooltip="The content frame: one picture. It is cut and scaled to the size of the model.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Other seeds give other motions.",
                ),
                io.Int.Input("steps", default=50, min=2, max=1000, tooltip="Steps of the sampling."),
                io.Combo.Input(
                    "sampler",
                    options=["ancestral", "ddim"],
                    default="ancestral",
                    tooltip="ancestral = as released, ddim = as in the paper.",
                ),
                io.Float.Input(
                    "eta",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="For ddim: 0 = no noise enters at the steps, 1 = as much as with ancestral.",
                ),
                io.Int.Input(
                    "frames",
                    default=16,
                    min=2,
                    max=256,
                    tooltip="Must be as many as the model was trained on, 16 with tiny. For more, edit the motion afterwards.",
                ),
            ],
            outputs=[
                CMDMotion.Output("motion", display_name="motion", tooltip="Goes into CMD Decode with the same picture.")
            ],
            **compat.aliases("dismo", "cmd", "generate motion", "predict motion"),
        )

    @classmethod
    def execute(
        cls,
        model: ContentMotionModel,
        content: Input.Image,
        seed: int,
        steps: int,
        sampler: str,
        eta: float,
        frames: int,
    ) -> io.NodeOutput:
        """Fit the picture, then leave it to `dismo_core`."""
        from ...dismo_core.content_motion import MotionLatent, held_still
        from ...dismo_core.video.picture import one_picture

        one_picture(content)
        size = model.size or SIZE
        frame = pictures.content_frames(content, size)
        host.bring_to_device(model)
        runtime = host.runtime(model)
        values = model.predict_motion(frame, seed, steps, sampler, eta if sampler == "ddim" else 0.0, frames, runtime)
        with model.using("autoencoder", runtime) as autoencoder:
            still = held_still(autoencoder, frame.to(autoencoder.pre_xt.weight), values.shape[2])
        latent = MotionLatent(
            values[0].float().cpu(), FPS, size, model.autoencoder.id, "drawn", frame[0], still[0].float().cpu()
        )
        return io.NodeOutput(latent)
