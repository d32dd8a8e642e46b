"""The node with the pack's own example media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import InputImpl, io

from . import compat
from .video_of import video_of

if TYPE_CHECKING:
    from torch import Tensor


class ExampleInputs(io.ComfyNode):
    """Name -> clip and picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoExample.md`."""
        from ...dismo_core.assets.examples import all_names

        return io.Schema(
            node_id="DisMoExample",
            display_name="Example Clip and Picture (DisMo)",
            category="DisMo",
            description="A driving clip, a picture and what moves in it, to try motion transfer with; they come with this pack.",
            inputs=[
                io.Combo.Input(
                    "example",
                    options=all_names(),
                    default="drawn",
                    tooltip="drawn = a moving drawn shape and a drawn scene; camera = a camera move and a photograph; cutout = the drawn "
                    "shape and a photograph of a flower, with its mask; ten pictures = the drawn shape and a batch of drawn scenes, with "
                    "their masks; fish = a clip of one drawn subject on white, with a mask for each frame, for 4D; four clips = four drawn "
                    "objects that move left one after the other, two seconds each, for MotionDirector; lilac pictures = twelve drawn "
                    "objects on lilac paper, with their masks, likewise.",
                ),
            ],
            outputs=[
                io.Video.Output("clip", display_name="clip", tooltip="The clip whose motion to take."),
                io.Image.Output("picture", display_name="picture", tooltip="The picture to move."),
                io.Mask.Output(
                    "mask",
                    display_name="mask",
                    tooltip="What moves in the picture, for Transfer Motion; all of it where there is no mask. Of a clip without a "
                    "picture one for each frame.",
                ),
            ],
            **compat.aliases("dismo", "demo", "sample input"),
        )

    @classmethod
    def execute(cls, example: str) -> io.NodeOutput:
        """Open the files of the example."""
        import torch

        from ...dismo_core.assets.examples import (
            TILE,
            clip_names,
            example_batch,
            example_mask,
            example_names,
        )
        from ...dismo_core.assets.examples import example as files_of
        from ...dismo_core.video import read_image

        if example in clip_names():
            return io.NodeOutput(*_clip(example))
        if example not in example_names():
            clip, pictures, masks = example_batch(example)
            images, covered = (_tiles(read_image(file), TILE) for file in (pictures, masks))
            return io.NodeOutput(InputImpl.VideoFromFile(str(clip)), images, covered[..., 0])
        clip, file = files_of(example)
        picture, masked = read_image(file), example_mask(example)
        mask = torch.ones(picture.shape[:2]) if masked is None else read_image(masked)[..., 0]
        return io.NodeOutput(InputImpl.VideoFromFile(str(clip)), picture[None], mask[None])


def _clip(name: str) -> tuple[Any, Tensor, Tensor]:
    """A clip as VIDEO, what is transparent in it white; its first frame; and what is not transparent, [T,H,W]."""
    from ...dismo_core.assets.examples import example_clip
    from ...dismo_core.data.rgba_clips import read_rgba_video

    rgba, fps = read_rgba_video(example_clip(name))
    color, alpha = rgba[..., :3].float() / 255, rgba[..., 3:].float() / 255
    images = color * alpha + 1 - alpha
    return video_of(images, fps), images[:1], alpha[..., 0]


def _tiles(sheet: Tensor, side: int) -> Tensor:
    """A sheet [rows x side, columns x side, 3] -> its squares [N, side, side, 3], row by row."""
    return sheet.unfold(0, side, side).unfold(1, side, side).flatten(0, 1).movedim(1, -1).contiguous()
