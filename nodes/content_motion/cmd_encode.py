"""The node that takes a clip apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from ...dismo_core import DisMoError
from ..shared import clips, compat, host
from ..shared.sockets import CMDModel, CMDMotion
from . import pictures

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from torch import Tensor

    from ...dismo_core.content_motion import ContentMotionModel

SIZE = (64, 64)  # (H, W), px, of models that do not say one


class CMDEncode(io.ComfyNode):
    """Clip -> content frame and DISMO_CMD_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDEncode.md`."""
        return io.Schema(
            node_id="DisMoCMDEncode",
            display_name="CMD Encode (DisMo)",
            category="DisMo/CMD",
            description="Takes a clip apart: one picture of its content and its motion. Connect either a video or images.",
            inputs=[
                CMDModel.Input("model", tooltip="From CMD Load Model."),
                io.Video.Input(
                    "video", optional=True, tooltip="The clip to take apart. Leave empty if images are connected."
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames, already at the rate fps. Leave empty if a video is connected.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second at which the clip is read; it is played at this rate again.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Second of the clip at which to begin.",
                ),
                io.Int.Input(
                    "frame_count",
                    default=16,
                    min=2,
                    max=256,
                    tooltip="Frames to read. Models are trained on 16; a shorter clip gives what it has.",
                ),
                io.Combo.Input(
                    "fit",
                    options=["crop", "pad", "stretch"],
                    default="crop",
                    tooltip="How the clip comes to the size of the model: crop = the middle, pad = all of it with black beside it, "
                    "stretch = all of it, distorted.",
                ),
                io.Int.Input(
                    "refine",
                    default=0,
                    min=0,
                    max=500,
                    tooltip="Steps that improve picture and motion for this clip, for clips unlike those of the training; 50 bring most of "
                    "it. 0 = none.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "content",
                    display_name="content",
                    tooltip="The content frame: an ordinary picture. Change it with any node, then put it into CMD Decode.",
                ),
                CMDMotion.Output("motion", display_name="motion", tooltip="Goes into CMD Decode, or is edited first."),
                io.Image.Output(
                    "weights",
                    display_name="weights",
                    tooltip="From which moment each pixel of the content frame comes: black = the first frame, white = the last, grey = "
                    "the middle or all alike.",
                ),
                io.Image.Output("sampled", display_name="sampled", tooltip="The frames that were encoded."),
            ],
            **compat.aliases("dismo", "cmd", "content frame", "decompose video", "motion latent"),
        )

    @classmethod
    def execute(
        cls,
        model: ContentMotionModel,
        fps: float,
        start: float,
        frame_count: int,
        fit: str,
        refine: int,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
    ) -> io.NodeOutput:
        """Read the frames, then leave it to `dismo_core`."""
        import torch

        from ...dismo_core.content_motion import clip_tensor, encode_frames
        from ...dismo_core.content_motion.clips import fitted

        clips.require_one("CMD Encode", video, images)
        frames = _frames(video, images, fps, start, frame_count)
        if len(frames) < 2:
            raise DisMoError(
                f"CMD Encode read {len(frames)} frames; a motion needs at least 2. Raise fps or frame_count, or begin earlier."
            )
        size = model.size or SIZE
        host.bring_to_device(model)
        runtime = host.runtime(model)
        with model.using("autoencoder", runtime) as autoencoder:
            # Refining takes gradients, which tensors made in inference mode cannot give.
            with torch.inference_mode(False):
                frames = fitted(frames.clone(), size, fit)
                motion = encode_frames(autoencoder, frames, size, fps, refine=refine, runtime=runtime)
                clip = clip_tensor(frames, size)
            weight = autoencoder.pre_xt.weight
            shares = autoencoder.content_weights(clip[None].to(weight))[0].float().cpu()  # [C,L,H,W]
        moments = torch.linspace(-1, 1, shares.shape[1])[None, :, None, None]
        when = (shares * moments).sum(dim=1).mean(dim=0)
        assert motion.content is not None
        return io.NodeOutput(
            pictures.as_images(motion.content[None]),
            motion,
            pictures.as_images(when.expand(1, 3, -1, -1)),
            pictures.as_images(clip.transpose(0, 1)),
        )


def _frames(
    video: Input.Video | None, images: Input.Image | None, fps: float, start: float, frame_count: int
) -> Tensor:
    """uint8 [T,H,W,3], at most frame_count of them."""
    from ...dismo_core.video import read_video

    if video is None:
        assert images is not None
        return clips.to_bytes(images[round(start * fps) :][:frame_count])
    source, start, count = clips.from_video(video, fps, start, frame_count, InputImpl.VideoFromFile, 2)
    if hasattr(source, "shape"):
        return clips.to_bytes(source[:count])
    return read_video(source, fps=fps, start=start, frames=count).frames
