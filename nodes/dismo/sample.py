"""The node that moves a picture."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.audio import cut
from ..shared.sockets import Motion, VideoModel
from ..shared.video_of import video_of

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from torch import Tensor

    from ... import dismo_core
    from ...dismo_core.dismo.video_model import MotionVideoModel
    from ...dismo_core.settings import SamplingSettings

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
                    tooltip="The picture to move. Of a batch or a list each gives a video, see pictures. It is scaled to the model's "
                    "size, see fit; the layered model keeps its size.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the video shows. Empty = no prompt = guidance 1. Only CogVideoX takes text. In long videos one "
                    "for each segment, with vertical bars between; the help page says how.",
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
                    tooltip="What of the picture moves, white; for the layered model. Without one it finds that itself. For a batch of "
                    "pictures one mask, or one each.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Share of the steps before the motion begins to act; 0 = from the first. For CogVideoX.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Share of the steps after which the motion acts no more; 1 = to the last. 0.7 keeps the course of the "
                    "motion and leaves the details to the base. For CogVideoX.",
                ),
                io.String.Input(
                    "curve",
                    default="",
                    optional=True,
                    tooltip="Strength over time, times strength: frame:strength, straight between them, such as 0:1, 12:0.2, 24:1; or "
                    "ease-in, ease-out, ease-in-out, ping-pong. Empty = the same throughout.",
                ),
                io.Combo.Input(
                    "pictures",
                    options=["one video each", "one a segment"],
                    default="one video each",
                    optional=True,
                    tooltip="Several pictures in a batch: a video of each, or one long video with CogVideoX whose segments begin with "
                    "them, one after the other.",
                ),
                io.Combo.Input(
                    "seeds",
                    options=["count up", "same"],
                    default="count up",
                    optional=True,
                    tooltip="The videos of a batch: seed, seed + 1, ..., or the same seed for all.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    is_output_list=True,
                    tooltip="At the frame rate of the motion, or at the one that the layered model was given. A list, one for each "
                    "picture.",
                ),
                io.Image.Output(
                    "frames",
                    display_name="frames",
                    is_output_list=True,
                    tooltip="The frames of the video, or of each of them.",
                ),
            ],
            **compat.aliases("dismo", "motion transfer", "animate picture", "image to video"),
            **compat.essentials("Video Tools"),
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
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        curve: str = "",
        pictures: str = "one video each",
        seeds: str = "count up",
    ) -> io.NodeOutput:
        """Fit pictures and motion to the model, then leave it to `model.transfer`."""
        from ...dismo_core.dismo.curve import read_curve
        from ...dismo_core.dismo.video_model import fit_motion
        from ...dismo_core.settings import SamplingSettings
        from ...dismo_core.video.picture import each_picture, to_rgb

        motion.require_extractor(model.extractor_id)
        fitted = fit_motion(model, motion, length)
        if fitted.frames != motion.frames:
            log.info("DisMo: motion trimmed from %d to %d frames for this model", motion.frames, fitted.frames)
        batch = [to_rgb(picture, background) for picture in each_picture(image)]
        settings = SamplingSettings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            steps=steps,
            guidance=guidance,
            strength=strength,
            start_percent=start_percent,
            end_percent=end_percent,
            curve=tuple(read_curve(curve)(fitted.frames)) if curve.strip() else (),
        )
        rate = Fraction(model.output_fps(fitted)).limit_denominator(1001)
        videos, all_frames = [], []
        for number, group in enumerate([batch] if pictures == "one a segment" else [[picture] for picture in batch]):
            own = replace(settings, seed=(seed + number * (seeds == "count up")) % 2**64)
            one_each = mask is not None and len(mask) == len(batch) > 1
            images = _moved(model, fitted, group, own, fit, mask[number : number + 1] if one_each else mask)
            videos.append(video_of(images, rate, cut(audio, len(images) / rate)))
            all_frames.append(images)
        return io.NodeOutput(videos, all_frames)


def _moved(
    model: MotionVideoModel,
    motion: dismo_core.Motion,
    pictures: list[Tensor],
    settings: SamplingSettings,
    fit: str,
    mask: Input.Mask | None,
) -> Tensor:
    """Pictures [H, W, 3] -> frames [T, H', W', 3] of one video, 0..1; the first begins it, the others its later segments."""
    from ...dismo_core.dismo.video_model import transfer_in_own_shape
    from ...dismo_core.video.quality import quality_warning

    with host.advising_on_memory():
        host.bring_to_device(model)
        runtime = host.runtime(model)
        frames = transfer_in_own_shape(model, motion, pictures, settings, fit, mask=mask, runtime=runtime).cpu()
    if model.defaults.size is not None:  # those that make frames; a warped picture is as good as it was
        host.notify(quality_warning(frames, pictures[0], settings.strength))
    return frames.float().div_(255)
