"""The node that reads the motion of a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from ..shared import clips, compat, host
from ..shared.sockets import Extractor, Motion

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core import MotionExtractor


class ExtractMotion(io.ComfyNode):
    """Clip -> DISMO_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/ExtractMotion.md`."""
        return io.Schema(
            node_id="ExtractMotion",
            display_name="Extract Motion",
            category="DisMo",
            description="Reads the motion of a clip: one small vector per frame, without its colors and shapes. "
            "Connect either a video or images.",
            inputs=[
                Extractor.Input(
                    "extractor",
                    tooltip="From Load DisMo Extractor, or embedded_extractor of Load CogVideoX Motion Adapter.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="The clip whose motion is read. Leave empty if images are connected.",
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
                    tooltip="Frames per second at which the motion is read; the result moves at this rate.",
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
                    default=25,
                    min=0,
                    max=100000,
                    tooltip="Frames to read: 5 or more, or 0 = to the end of the clip.",
                ),
                io.Boolean.Input("reverse", default=False, tooltip="Read the frames backwards."),
                compat.advanced(
                    io.Combo.Input(
                        "background",
                        optional=True,
                        options=["black", "white"],
                        default="black",
                        tooltip="What shows through transparent pixels.",
                    )
                ),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="Goes into Transfer Motion."),
                io.Image.Output("sampled", display_name="sampled", tooltip="The frames that were read."),
            ],
            **compat.aliases("dismo", "motion from video", "motion extraction"),
            **compat.essentials("Video Tools"),
        )

    @classmethod
    def execute(
        cls,
        extractor: MotionExtractor,
        fps: float,
        start: float,
        frame_count: int,
        reverse: bool,
        background: str = "black",
        video: Input.Video | None = None,
        images: Input.Image | None = None,
    ) -> io.NodeOutput:
        """Choose the source, then leave it to `dismo_core.extract_motion`."""
        from ...dismo_core import extract_motion

        clips.require_one("Extract Motion", video, images)
        if video is not None:
            source, start, frame_count = clips.from_video(video, fps, start, frame_count, InputImpl.VideoFromFile)
        else:
            source = images
        with host.advising_on_memory():
            host.bring_to_device(extractor)
            motion, frames = extract_motion(
                extractor,
                source,
                fps=fps,
                start=start,
                frames=frame_count,
                reverse=reverse,
                background=background,
                runtime=host.runtime(),
                return_frames=True,
            )
        return io.NodeOutput(motion, frames.float().div_(255))
