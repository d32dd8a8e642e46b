"""The node that moves a picture."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, Types, io

from ..shared import compat, host
from ..shared.audio import cut
from ..shared.sockets import Motion, VideoModel

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ... import dismo_core
    from ...dismo_core.dismo.video_model import MotionVideoModel

log = logging.getLogger("dismo")


class MotionTransferSample(io.ComfyNode):
    """Picture + DISMO_MOTION -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/MotionTransferSample.md`."""
        return io.Schema(
            node_id="MotionTransferSample",
            display_name="Transfer Motion",
            category="DisMo",
            description="Moves a picture as the clip moved from which the motion was extracted.",
            inputs=[
                VideoModel.Input("model", tooltip="From Load Layered Model, or another video model loader."),
                Motion.Input("motion", tooltip="From Extract Motion, with the extractor that this model knows."),
                io.Image.Input(
                    "image",
                    tooltip="The picture to move; one, not a batch. It is scaled to the model's size, see fit; the layered model "
                    "keeps its size.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the video shows. Empty = no prompt = guidance 1. Only CogVideoX takes text.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What the video should not show. Empty = the model's own.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps; more takes longer. 0 = the model's own number. CogVideoX: 20, 25, 40, 50, 100 ...",
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the prompt; 1 = none, in half the time. 0 = the model's own value.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How strong the motion is: 0 = still, 1 = as in the clip, 2 = exaggerated. With CogVideoX how much the "
                    "adapter does: 0 = the bare model, which moves as it likes.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Start of the random numbers; the same seed gives the same video.",
                ),
                io.Combo.Input(
                    "fit",
                    options=["crop", "pad"],
                    default="crop",
                    tooltip="When the picture has another shape than the model: crop = cut off what hangs over, "
                    "pad = the whole picture; the video has its shape.",
                ),
                io.Combo.Input(
                    "length",
                    options=["trim", "error"],
                    default="trim",
                    tooltip="When the model cannot make as many frames as the motion has: "
                    "trim = use the longest possible beginning, error = stop.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="Sound to go with the video; cut to its length."),
                compat.advanced(
                    io.Combo.Input(
                        "background",
                        optional=True,
                        options=["black", "white"],
                        default="black",
                        tooltip="What shows through transparent pixels.",
                    )
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What of the picture moves, white; for the layered model. Without one it finds that itself.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="At the frame rate of the motion, or at the one that the layered model was given.",
                ),
                io.Image.Output("frames", display_name="frames", tooltip="The frames of the video."),
            ],
            **compat.aliases("dismo", "motion transfer", "animate picture", "image to video"),
        )

    @classmethod
    def execute(
        cls,
        model: MotionVideoModel,
        motion: dismo_core.Motion,
        image: Input.Image,
        prompt: str,
        negative_prompt: str,
        steps: int,
        guidance: float,
        strength: float,
        seed: int,
        fit: str,
        length: str,
        background: str = "black",
        audio: Input.Audio | None = None,
        mask: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Fit picture and motion to the model, then leave it to `model.transfer`."""
        from ...dismo_core.dismo.video_model import fit_motion
        from ...dismo_core.settings import SamplingSettings
        from ...dismo_core.video.picture import fit_image, one_picture, shown_part, to_rgb
        from ...dismo_core.video.quality import quality_warning

        motion.require_extractor(model.extractor_id)
        fitted = fit_motion(model, motion, length)
        if fitted.frames != motion.frames:
            log.info("DisMo: motion trimmed from %d to %d frames for this model", motion.frames, fitted.frames)
        picture = to_rgb(one_picture(image), background)
        rows, columns = shown_part(*picture.shape[:2], model.defaults.size, fit)
        with host.advising_on_memory():
            host.bring_to_device(model)
            frames = model.transfer(
                fitted,
                fit_image(picture, model.defaults.size, fit, model.defaults.antialias),
                SamplingSettings(
                    prompt=prompt,
                    negative_prompt=negative_prompt,
                    steps=steps,
                    guidance=guidance,
                    strength=strength,
                    seed=seed,
                ),
                mask=mask,
                runtime=host.runtime(model),
            )
        frames = frames.cpu()[:, rows, columns]
        if model.defaults.size is not None:  # those that make frames; a warped picture is as good as it was
            host.notify(quality_warning(frames, picture, strength))
        images = frames.float().div_(255)
        rate = Fraction(model.output_fps(fitted)).limit_denominator(1001)
        components = Types.VideoComponents(images=images, frame_rate=rate, audio=cut(audio, len(images) / rate))
        return io.NodeOutput(InputImpl.VideoFromComponents(components), images)
