"""The node that finds what stands out in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import InputImpl, io

from ..shared import clips, compat, host

if TYPE_CHECKING:
    from comfy_api.latest import Input


class WhatMoves(io.ComfyNode):
    """Frames -> MASK."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoWhatMoves.md`."""
        return io.Schema(
            node_id="DisMoWhatMoves",
            display_name="What Moves (DisMo)",
            category="DisMo",
            description="Finds what stands out from the ground of a picture, or of each frame of a video, as the layered model "
            "does by itself. Connect either a video or images.",
            inputs=[
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="A picture, or several. Leave empty if a video is connected.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="A video, of which each frame gets a mask. Leave empty if images are connected.",
                ),
                io.Float.Input(
                    "feather",
                    default=2.0,
                    min=0.0,
                    max=100.0,
                    step=0.5,
                    tooltip="How many pixels wide the edge of the mask fades. 0 = as it was found.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    "masks",
                    display_name="masks",
                    tooltip="One for each picture, white = what stands out. Goes into mask of Transfer Motion.",
                ),
                io.Image.Output("picture", display_name="picture", tooltip="The pictures with the masks in color."),
            ],
            **compat.aliases("dismo", "segment", "mask", "foreground", "subject"),
        )

    @classmethod
    def execute(
        cls, feather: float, images: Input.Image | None = None, video: Input.Video | None = None
    ) -> io.NodeOutput:
        """Ask the bundled segmenter, one frame after the other."""
        from ...dismo_core import load_layered_model
        from ...dismo_core.video.picture import to_rgb
        from ..shared.masks import check_feather, feathered, laid_over

        clips.require_one("What Moves", video, images)
        check_feather(feather)
        frames = images if video is None else clips.frames_of(video, InputImpl.VideoFromFile)
        runtime = host.runtime()
        model = load_layered_model("tiny", runtime.device)
        masks = torch.empty(frames.shape[:3])
        pictures = torch.empty(*frames.shape[:3], 3)
        for number, frame in enumerate(frames):
            picture = to_rgb(frame).cpu()
            masks[number] = feathered(model.find(picture), feather)
            pictures[number] = laid_over(picture, masks[number])
            runtime.progress(number + 1, len(frames), None)
        return io.NodeOutput(masks, pictures)
