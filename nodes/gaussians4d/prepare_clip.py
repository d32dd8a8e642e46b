"""The node that makes a clip ready for 4D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import InputImpl, io

from ..shared import clips, compat
from ..shared.sockets import Clip4D

if TYPE_CHECKING:
    import numpy as np
    from comfy_api.latest import Input
    from numpy.typing import NDArray
    from torch import Tensor

NODE = "Prepare 4D Clip"


class PrepareClip(io.ComfyNode):
    """Clip -> DISMO_4D_CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DPrepareClip.md`."""
        return io.Schema(
            node_id="DisMo4DPrepareClip",
            display_name="Prepare 4D Clip (DisMo)",
            category="DisMo/4D",
            description="Cuts the one subject of a clip out and puts it in the middle of a square, the same for all frames.",
            inputs=[
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="The clip: one subject, wholly in the picture, a camera that stands still. Transparency is kept.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames, also with transparency; taken as 7 a second. Leave empty if a video is connected.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Where the subject is, white: one mask for each frame of the clip, or one for all.",
                ),
                io.Int.Input(
                    "frames",
                    default=14,
                    min=2,
                    max=128,
                    tooltip="How many frames are taken, evenly; a shorter clip gives fewer.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Second of the clip at which to begin.",
                ),
                io.Float.Input(
                    "length", default=0.0, min=0.0, max=86400.0, step=0.01, tooltip="Seconds to take; 0 = to the end."
                ),
                io.Int.Input("size", default=256, min=16, max=1024, tooltip="Side of the square, px."),
                io.Combo.Input(
                    "matting",
                    options=["auto", "alpha", "plain", "rembg"],
                    default="auto",
                    tooltip="How the subject is told from the background where no masks are connected: alpha = transparency, plain = a "
                    "background of one color, rembg = that library, if you have installed it; auto = the first of them that can be.",
                ),
                io.Combo.Input(
                    "crop",
                    options=["largest", "union", "none"],
                    default="largest",
                    tooltip="What the square is laid around: largest = the subject where it is largest, union = all places where it is, "
                    "none = the whole picture.",
                ),
            ],
            outputs=[
                Clip4D.Output("clip", display_name="clip", tooltip="Goes into 4D Gaussians from Clip and Fit 4D."),
                io.Image.Output("prepared", display_name="prepared", tooltip="The frames on white, to look at."),
                io.Mask.Output("subject", display_name="subject", tooltip="Where the subject is in them."),
                io.String.Output(
                    "report", display_name="report", tooltip="What was taken, and what might spoil the result."
                ),
            ],
            **compat.aliases("dismo", "4d", "matting", "cut out"),
        )

    @classmethod
    def execute(
        cls,
        frames: int,
        start: float,
        length: float,
        size: int,
        matting: str,
        crop: str,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
        masks: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Read the part that is asked for, then leave it to `prepare_clip`."""
        from ...dismo_core.gaussians4d.clip import FOLDER_FPS, prepare_clip

        clips.require_one(NODE, video, images)
        with torch.inference_mode(False):  # a fit could not train on what was made inside
            window: dict[str, Any] = {"start": start, "length": length}
            if video is None:
                assert images is not None
                rgba, fps = _bytes(images), FOLDER_FPS
            elif masks is None and (source := clips.file_of(video, InputImpl.VideoFromFile)) is not None:
                rgba, fps = _read(*source, start, length)
                window = {}
            else:
                components = video.get_components()
                rgba, fps = _bytes(components.images), float(components.frame_rate)
            clip = prepare_clip(
                rgba,
                fps,
                masks=None if masks is None else _masks(masks, rgba.shape[:3]),
                frames=frames,
                size=size,
                matting=matting,
                crop=crop,
                **window,
            )
            rgb, mask = clip.frames()
        said = [f"{len(rgb)} frames of {size} x {size} px, {clip.fps:.3g} a second.", *clip.notes]
        return io.NodeOutput(clip, rgb.movedim(1, -1), mask[:, 0], "\n".join(said))


def _read(path: str, begin: float, whole: float, start: float, length: float) -> tuple[NDArray[np.uint8], float]:
    """The asked part of a file's window."""
    from ...dismo_core.gaussians4d.clip import read_rgba

    left = max(0.01, whole - start) if whole else 0.0
    return read_rgba(path, begin + start, min(length or left, left or length))


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    """IMAGE [T,H,W,3 or 4] as uint8 [T,H,W,4]."""
    rgba = torch.nn.functional.pad(images[..., :4], (0, 4 - min(4, images.shape[-1])), value=1.0)
    pixels: NDArray[np.uint8] = (rgba.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return pixels


def _masks(masks: Tensor, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """MASK as uint8 [T,H,W], one for each frame, in the size of the frames."""
    from ...dismo_core import DisMoError

    count, height, width = shape
    if len(masks) not in (1, count):
        raise DisMoError(
            f"The clip has {count} frames, but there are {len(masks)} masks. Give one for each frame, or one for all."
        )
    grey = masks.float().clamp(0, 1)[:, None]
    if grey.shape[2:] != (height, width):
        grey = torch.nn.functional.interpolate(grey, (height, width), mode="bilinear", antialias=True)
    pixels: NDArray[np.uint8] = (grey[:, 0] * 255).round().to(torch.uint8).expand(count, -1, -1).cpu().numpy()
    return pixels
