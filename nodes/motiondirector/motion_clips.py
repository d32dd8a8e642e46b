"""The node that takes clips and pictures to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import InputImpl, io

from ..shared import clips as sources
from ..shared import compat, host
from ..shared.sockets import MotionClips
from .clip_list import ClipList, name_of

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from torch import Tensor

LEAST = 2  # frames; one has no motion


class TakeMotionClips(io.ComfyNode):
    """Clip or pictures -> DISMO_MOTION_CLIPS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMotionClips.md`."""
        return io.Schema(
            node_id="DisMoMotionClips",
            display_name="Motion Clips (DisMo)",
            category="DisMo/motiondirector",
            description="What MotionDirector learns from: a clip of a motion, or pictures of an appearance. Connect either a video or "
            "images; chain these nodes by previous for several clips.",
            inputs=[
                io.String.Input(
                    "caption",
                    default="",
                    multiline=True,
                    tooltip="What is seen and how it moves: a car turns on a street. Prompts of later videos do best in the same form. "
                    "May be empty, which is learned less well.",
                ),
                io.Video.Input("video", optional=True, tooltip="The clip. Leave empty if images are connected."),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames, already at the rate fps, or single pictures, see images_are. Leave empty if a video "
                    "is connected.",
                ),
                io.Combo.Input(
                    "images_are",
                    options=["clip", "pictures"],
                    default="clip",
                    tooltip="clip = the images are one clip; pictures = each is a picture of its own, from which an appearance is learned.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second that are taken of a video. Fewer show more of a slow motion.",
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
                    min=1,
                    max=128,
                    tooltip="Frames that are taken, at most. The motion should begin and end within them; fewer need less memory.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Pixels that the clip is brought to, a multiple of 8; 0 = the base's. Of a chain the last node's size holds.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Likewise.",
                ),
                io.Combo.Input(
                    "fit",
                    options=["crop", "stretch", "official"],
                    default="crop",
                    tooltip="When the clip has another shape: crop = cut off what hangs over, stretch = ignore the shape, official = the "
                    "published sizes, in multiples of 64.",
                ),
                MotionClips.Input(
                    "previous", optional=True, tooltip="From another Motion Clips: its clips come first, then this one."
                ),
            ],
            outputs=[
                MotionClips.Output("clips", display_name="clips", tooltip="Goes into Train MotionDirector."),
                io.Image.Output("sampled", display_name="sampled", tooltip="The frames that were taken of this clip."),
            ],
            **compat.aliases("dismo", "motiondirector", "training data", "dataset"),
        )

    @classmethod
    def execute(
        cls,
        caption: str,
        images_are: str,
        fps: float,
        start: float,
        frame_count: int,
        width: int,
        height: int,
        fit: str,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
        previous: ClipList | None = None,
    ) -> io.NodeOutput:
        """Take the frames into memory; they are brought to size when the base is known."""
        from ...dismo_core import DisMoError
        from ...dismo_core.motiondirector.clips import Size, given_clip, given_picture

        sources.require_one("Motion Clips", video, images)
        if width and height:
            Size(width, height, fit)  # for its errors
        pictures = video is None and images_are == "pictures"
        if video is not None:
            frames = _of_video(video, fps, start, frame_count)
        else:
            whole = sources.to_bytes(images)
            frames = whole if pictures else whole[round(start * fps) :][:frame_count]
        if not pictures and len(frames) < LEAST:
            raise DisMoError(
                f"The clip has {len(frames)} frames after {start:g} s; a motion needs {LEAST} or more. Begin earlier, take more frames, or "
                "choose images_are = pictures for an appearance."
            )
        if pictures:
            taken = tuple(given_picture(name_of(picture), caption, picture) for picture in frames)
        else:
            taken = (given_clip(name_of(frames), caption, frames),)
        host.notify(None if caption.strip() else "Without a caption the motion is learned less well.")
        before = previous.clips if previous is not None else ()
        return io.NodeOutput(ClipList((*before, *taken), width, height, fit, fps), frames.float().div(255))


def _of_video(video: Input.Video, fps: float, start: float, frame_count: int) -> Tensor:
    """Frames of a VIDEO, uint8 [T,H,W,3]."""
    from ...dismo_core.video import read_video

    source, begin, count = sources.from_video(video, fps, start, frame_count, InputImpl.VideoFromFile, least=LEAST)
    if isinstance(source, torch.Tensor):
        return sources.to_bytes(source)
    return read_video(source, fps=fps, start=begin, frames=count).frames
