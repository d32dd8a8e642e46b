"""The nodes that show a 4D model: as a video, and as Gaussians of single moments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io
from PIL import Image

from ..shared import compat, host
from ..shared.ranges import check_range
from ..shared.sockets import Gaussians, Model4D
from ..shared.video_of import video_of

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d import Gaussians4D

PREVIEW_EVERY = 4  # frames


class Render(io.ComfyNode):
    """DISMO_4D -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DRender.md`."""
        return io.Schema(
            node_id="DisMo4DRender",
            display_name="Render 4D (DisMo)",
            category="DisMo/4D",
            description="A video of a moving object, seen by a camera that stands or moves.",
            inputs=[
                Model4D.Input("model4d", tooltip="From Fit 4D or Load 4D."),
                io.Combo.Input(
                    "camera",
                    options=["swing", "turntable", "still", "published"],
                    default="swing",
                    tooltip="swing = 40 degrees to both sides and back, turntable = once around, still = it stands, published = as in "
                    "DreamGaussian4D: eight stops around.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=10000,
                    tooltip="Of the video; the clip is played again and again. 0 = two clips for swing, four for turntable, one for still.",
                ),
                io.Int.Input("width", default=512, min=16, max=4096, step=2, tooltip="Of the video, px."),
                io.Int.Input("height", default=512, min=16, max=4096, step=2, tooltip="Of the video, px."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.1,
                    tooltip="Frames per second of the video; 0 = as the clip.",
                ),
                io.Float.Input(
                    "elevation",
                    default=0.0,
                    min=-89.0,
                    max=89.0,
                    step=1.0,
                    tooltip="Height of the camera, degrees: positive is above, looking down.",
                ),
                io.Float.Input(
                    "azimuth",
                    default=0.0,
                    min=-360.0,
                    max=360.0,
                    step=1.0,
                    tooltip="Where the camera begins, degrees: 0 = in front, as in the clip; 90 = on the right.",
                ),
                io.Float.Input(
                    "distance",
                    default=1.0,
                    min=0.3,
                    max=10.0,
                    step=0.05,
                    tooltip="Of the camera from the object, times that in the clip; more shows more around it.",
                ),
                io.Combo.Input(
                    "background",
                    options=["white", "black", "transparent"],
                    default="white",
                    tooltip="transparent: images have an alpha channel, and the video stands on black.",
                ),
            ],
            outputs=[
                io.Video.Output("video", display_name="video", tooltip="Goes into Save Video."),
                io.Image.Output("images", display_name="images", tooltip="The frames of the video."),
                io.Mask.Output("masks", display_name="masks", tooltip="Where the object is in them."),
                io.Image.Output(
                    "depth",
                    display_name="depth",
                    tooltip="How near what is seen is: white = nearest, black = farthest and background.",
                ),
            ],
            **compat.aliases("dismo", "4d", "turntable", "novel view"),
        )

    @classmethod
    def execute(
        cls,
        model4d: Gaussians4D,
        camera: str,
        frames: int,
        width: int,
        height: int,
        fps: float,
        elevation: float,
        azimuth: float,
        distance: float,
        background: str,
    ) -> io.NodeOutput:
        """Picture by picture, with progress."""
        from ...dismo_core.gaussians4d.views import plan, render

        check_range("frames", frames, 0, 10_000)
        check_range("width", width, 16, 4096)
        check_range("height", height, 16, 4096)
        check_range("fps", fps, 0, 240)
        check_range("elevation", elevation, -89, 89)
        check_range("azimuth", azimuth, -360, 360)
        check_range("distance", distance, 0.3, 10)
        runtime = host.runtime()
        shots = plan(camera, model4d.frames, frames, azimuth, elevation)
        images, masks, depths = [], [], []
        behind = "black" if background == "transparent" else background
        with host.advising_on_memory():
            model = model4d.to(runtime.device)
            shown = render(model, shots, height, width, distance=distance, background=behind)
            for number, (rgb, alpha, depth) in enumerate(shown):
                images.append(rgb)
                masks.append(alpha[..., 0])
                depths.append(depth)
                preview = Image.fromarray((rgb * 255).byte().numpy()) if number % PREVIEW_EVERY == 0 else None
                runtime.progress(number + 1, len(shots), preview)
        picture, mask, depth = torch.stack(images), torch.stack(masks), torch.stack(depths)
        video = video_of(picture, fps or model4d.fps)
        if background == "transparent":
            alpha = mask[..., None]
            picture = torch.cat(
                (torch.where(alpha > 0, picture / alpha.clamp_min(1e-4), picture).clamp(0, 1), alpha), -1
            )
        return io.NodeOutput(video, picture, mask, _near(depth))


class Frames(io.ComfyNode):
    """DISMO_4D -> a list of DISMO_GAUSSIANS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DFrames.md`."""
        return io.Schema(
            node_id="DisMo4DFrames",
            display_name="4D Frames (DisMo)",
            category="DisMo/4D",
            description="The Gaussians of single moments, also between the frames of the clip.",
            inputs=[
                Model4D.Input("model4d", tooltip="From Fit 4D or Load 4D."),
                io.Int.Input(
                    "factor",
                    default=4,
                    min=1,
                    max=64,
                    tooltip="Moments for each frame of the clip, where no times are given.",
                ),
                io.String.Input(
                    "times",
                    default="",
                    tooltip="Frame numbers, whole or not, with commas between, such as 0, 2.5, 13. Empty = all, by factor.",
                ),
            ],
            outputs=[
                Gaussians.Output(
                    "gaussians",
                    display_name="gaussians",
                    is_output_list=True,
                    tooltip="One for each moment, at rest there.",
                ),
            ],
            **compat.aliases("dismo", "4d", "gaussian splatting", "splat"),
        )

    @classmethod
    def execute(cls, model4d: Gaussians4D, factor: int, times: str) -> io.NodeOutput:
        """Ask the model for each moment."""
        from ...dismo_core.gaussians4d.export import moments
        from ...dismo_core.gaussians4d.posed import PosedGaussians

        chosen = _times(times, model4d.frames) if times.strip() else moments(model4d.frames, factor)
        with torch.inference_mode(False), torch.no_grad():
            return io.NodeOutput(
                [
                    PosedGaussians(
                        replace(model4d.at(time), share=model4d.gaussians.share),
                        model4d.radius,
                        model4d.fov_y,
                        round(time),
                    )
                    for time in chosen
                ]
            )


def _times(text: str, frames: int) -> list[float]:
    from ...dismo_core import DisMoError

    try:
        times = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise DisMoError(
            f"times must be numbers with commas between, such as 0, 2.5, 13, not {text[:80]!r}."
        ) from error
    for time in times:
        if not 0 <= time <= frames - 1:
            raise DisMoError(f"The time {time:g} is none of this model: its frames are 0 to {frames - 1}.")
    return times


def _near(depth: torch.Tensor) -> torch.Tensor:
    """Distances [T,H,W,1], 0 where nothing is -> [T,H,W,3], 1 = the nearest of all."""
    there = depth > 0
    if not bool(there.any()):
        return depth.expand(-1, -1, -1, 3)
    low, high = depth[there].min(), depth[there].max()
    near = torch.where(there, (high - depth) / (high - low).clamp_min(1e-6), torch.zeros_like(depth))
    return near.expand(-1, -1, -1, 3).contiguous()
