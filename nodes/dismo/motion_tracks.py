"""Nodes that make tracks of points, for video models that follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from ..shared import clips, compat, host
from ..shared.sockets import Motion, VideoModel
from .layered import require_layered

if TYPE_CHECKING:
    import numpy as np
    from comfy_api.latest import Input
    from numpy.typing import NDArray
    from torch import Tensor

    from ... import dismo_core
    from ...dismo_core.dismo.video_model import MotionVideoModel


class MotionTracks(io.ComfyNode):
    """Picture + DISMO_MOTION -> tracks as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMotionTracks.md`."""
        return io.Schema(
            node_id="DisMoMotionTracks",
            display_name="Motion Tracks (DisMo)",
            category="DisMo/motion",
            description="Says where points of a picture go as a motion moves it: tracks for Wan (ATI) and other video models "
            "that follow them.",
            inputs=[
                VideoModel.Input("model", tooltip="From Load Layered Model; its choice moves says what moves."),
                Motion.Input("motion", tooltip="From Extract Motion, with the extractor that this model knows."),
                io.Image.Input("image", tooltip="The picture that the video begins with; one, not a batch."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What of the picture moves, white. Without one it is found where it is needed.",
                ),
                io.Int.Input(
                    "points",
                    default=81,
                    min=1,
                    max=10000,
                    tooltip="How many points to follow, about; on a grid over what moves.",
                ),
                io.String.Input(
                    "own_points",
                    default="",
                    multiline=True,
                    tooltip="Points of your own instead of the grid, in pixels of the video: [[120, 80], [200, 95]]. Empty = the "
                    "grid.",
                ),
                io.Int.Input(
                    "width",
                    default=832,
                    min=16,
                    max=16384,
                    tooltip="Of the video that follows the tracks, in pixels: as in Wan Track To Video.",
                ),
                io.Int.Input(
                    "height",
                    default=480,
                    min=16,
                    max=16384,
                    tooltip="Of that video, in pixels. The picture is cropped to this shape.",
                ),
                io.Int.Input(
                    "frames",
                    default=121,
                    min=1,
                    max=10000,
                    tooltip="Positions of each track. Wan (ATI) wants 121, whatever the length of its video.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=0.1,
                    tooltip="Positions per second. Wan (ATI) wants 24, and makes 16 frames a second of them.",
                ),
            ],
            outputs=[
                io.String.Output("tracks", display_name="tracks", tooltip="Goes into tracks of Wan Track To Video."),
                io.Image.Output(
                    "picture", display_name="picture", tooltip="The picture as the video shows it, with the tracks."
                ),
            ],
            **compat.aliases("dismo", "tracks", "trajectory", "ATI", "WanTrackToVideo", "motion control"),
        )

    @classmethod
    def execute(
        cls,
        model: MotionVideoModel,
        motion: dismo_core.Motion,
        image: Input.Image,
        points: int,
        own_points: str,
        width: int,
        height: int,
        frames: int,
        fps: float,
        mask: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Leave it to `motion_tracks`."""
        from ...dismo_core.dismo.layered.tracks import motion_tracks
        from ...dismo_core.evaluation.track_json import read_points
        from ...dismo_core.video.picture import one_picture, to_rgb

        layered = require_layered(model, "Motion Tracks")
        with host.advising_on_memory():
            host.bring_to_device(layered)
            tracks, shown = motion_tracks(
                layered,
                motion,
                to_rgb(one_picture(image)),
                mask=mask,
                points=points,
                own_points=read_points(own_points),
                size=(height, width),
                frames=frames,
                fps=fps,
            )
        return _drawn(tracks, shown)


class TracksFromVideo(io.ComfyNode):
    """Clip -> tracks as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoTracksFromVideo.md`."""
        return io.Schema(
            node_id="DisMoTracksFromVideo",
            display_name="Tracks from Video (DisMo)",
            category="DisMo/motion",
            description="Follows points of a clip by optical flow, without any model: tracks for Wan (ATI) and other video models "
            "that follow them. Connect either a video or images.",
            inputs=[
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="The clip whose points are followed. Leave empty if images are connected.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames, already at the rate fps. Leave empty if a video is connected.",
                ),
                io.Int.Input(
                    "points",
                    default=81,
                    min=1,
                    max=10000,
                    tooltip="How many points to follow, about; on a grid over the picture.",
                ),
                io.String.Input(
                    "own_points",
                    default="",
                    multiline=True,
                    tooltip="Points of your own instead of the grid, in pixels of the video to be made: [[120, 80], [200, 95]]. "
                    "Empty = the grid.",
                ),
                io.Int.Input(
                    "width",
                    default=832,
                    min=16,
                    max=16384,
                    tooltip="Of the video that follows the tracks, in pixels: as in Wan Track To Video.",
                ),
                io.Int.Input(
                    "height",
                    default=480,
                    min=16,
                    max=16384,
                    tooltip="Of that video, in pixels. The clip is cropped to this shape.",
                ),
                io.Int.Input(
                    "frames",
                    default=121,
                    min=1,
                    max=10000,
                    tooltip="Positions of each track. Wan (ATI) wants 121, whatever the length of its video.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=0.1,
                    tooltip="Positions per second, and the rate at which images are taken. Wan (ATI) wants 24.",
                ),
            ],
            outputs=[
                io.String.Output("tracks", display_name="tracks", tooltip="Goes into tracks of Wan Track To Video."),
                io.Image.Output(
                    "picture",
                    display_name="picture",
                    tooltip="The first frame, cropped to the shape of the video, with the tracks.",
                ),
            ],
            **compat.aliases("dismo", "tracks", "trajectory", "optical flow", "ATI", "WanTrackToVideo"),
        )

    @classmethod
    def execute(
        cls,
        points: int,
        own_points: str,
        width: int,
        height: int,
        frames: int,
        fps: float,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
    ) -> io.NodeOutput:
        """Leave it to `clip_tracks`."""
        from ...dismo_core.evaluation.clip_tracks import clip_tracks
        from ...dismo_core.evaluation.track_json import check_tracks, read_points
        from ...dismo_core.video.picture import fit_image, to_uint8

        clips.require_one("Tracks from Video", video, images)
        own = read_points(own_points)
        check_tracks(points if own is None else len(own), width, height, frames, fps)
        if images is not None:
            clip, rate = clips.to_bytes(images[: max(2, frames)]), fps
        else:
            clip, rate = clips.beginning(video, fps, max(2, frames), InputImpl.VideoFromFile)
        size = (height, width)
        told = host.runtime().progress
        tracks = clip_tracks(
            clip,
            rate,
            points=points,
            own_points=own,
            size=size,
            frames=frames,
            fps=fps,
            progress=lambda done, total: told(done, total, None),
        )
        return _drawn(tracks, to_uint8(fit_image(clip[0].float() / 255, size, "crop"), 0.0))


def _drawn(tracks: NDArray[np.float64], picture: Tensor) -> io.NodeOutput:
    """Tracks [N,T,2] as text, and on a picture uint8 [H,W,3]."""
    from ...dismo_core.evaluation.track_json import draw_tracks, tracks_json

    return io.NodeOutput(tracks_json(tracks), draw_tracks(picture, tracks)[None].float().div_(255))
