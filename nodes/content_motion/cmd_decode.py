"""The node that puts a clip together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import CMDModel, CMDMotion
from ..shared.video_of import video_of
from . import pictures

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.content_motion import ContentMotionModel, MotionLatent


class CMDDecode(io.ComfyNode):
    """Content frame and DISMO_CMD_MOTION -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDDecode.md`."""
        return io.Schema(
            node_id="DisMoCMDDecode",
            display_name="CMD Decode (DisMo)",
            category="DisMo/CMD",
            description="Puts a clip together of a picture and a motion, whose own picture it need not be.",
            inputs=[
                CMDModel.Input("model", tooltip="From CMD Load Model: the one that the motion was made with."),
                io.Image.Input(
                    "content",
                    tooltip="The content frame: from CMD Encode, painted, or any picture. It is cut and scaled to the size of the motion. "
                    "A batch gives a clip of each.",
                ),
                CMDMotion.Input("motion", tooltip="From CMD Encode, CMD Sample Motion, CMD Load Motion, or edited."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="0 = still, 1 = as it is, more = exaggerated.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    is_output_list=True,
                    tooltip="At the rate of the motion. A list, one for each picture.",
                ),
                io.Image.Output(
                    "images", display_name="images", is_output_list=True, tooltip="The frames of each video."
                ),
            ],
            **compat.aliases("dismo", "cmd", "motion to video", "animate picture"),
        )

    @classmethod
    def execute(
        cls, model: ContentMotionModel, content: Input.Image, motion: MotionLatent, strength: float
    ) -> io.NodeOutput:
        """Fit the pictures, then leave it to `dismo_core`."""
        from ...dismo_core.content_motion import decode_frames

        motion.require_autoencoder(model.autoencoder.id)
        contents = pictures.content_frames(content, motion.size)
        scaled = motion.scaled(strength)
        host.bring_to_device(model)
        runtime = host.runtime(model)
        videos, batches = [], []
        with model.using("autoencoder", runtime) as autoencoder:
            for number, frame in enumerate(contents, 1):
                runtime.check_cancel()
                images = decode_frames(autoencoder, scaled, frame).float().div_(255)
                runtime.progress(number, len(contents), None)
                videos.append(video_of(images, motion.fps))
                batches.append(images)
        return io.NodeOutput(videos, batches)
