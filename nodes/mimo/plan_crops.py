"""The node that decides which part of each frame the networks make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image

from ..shared import compat, host
from ..shared.sockets import MimoCrops, MimoTemplate
from .media import preview, to_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...dismo_core.mimo import Clip, Template

DEFAULT_SIZE = 784  # px, of the released weights


@dataclass(frozen=True)
class Crops:
    """What travels through DISMO_MIMO_CROPS.

    Args:
        clips: frames that share a crop.
        overlap: that they were planned with.
    """

    clips: list[Clip]
    overlap: int


class PlanCrops(io.ComfyNode):
    """DISMO_MIMO_TEMPLATE -> crops, and what the networks get of them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoPlanCrops.md`."""
        return io.Schema(
            node_id="DisMoMimoPlanCrops",
            display_name="MIMO Plan Crops",
            category="DisMo/MIMO/steps",
            description="Cuts squares around the person out of a template: what MIMO Sample, or any other character model, makes again.",
            inputs=[
                MimoTemplate.Input("template", tooltip="From Load MIMO Template, for example."),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Width and height of the squares, px; a multiple of 8. 0 = 784. The tiny weights were trained at 64.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=16,
                    tooltip="Frames that a crop shares with the one before; they are cross-faded.",
                ),
                io.Float.Input(
                    "min_area",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.05,
                    tooltip="A new crop begins where the person would fill less than this share of it in some frame.",
                ),
                io.Boolean.Input(
                    "as_released",
                    default=False,
                    tooltip="Plan as the published software does, with its faults: frames without a person and cut figures.",
                ),
            ],
            outputs=[
                MimoCrops.Output("crops", display_name="crops", tooltip="For MIMO Compose."),
                io.Image.Output("poses", display_name="poses", tooltip="The body in each square, on black."),
                io.Image.Output("backgrounds", display_name="backgrounds", tooltip="The scene in each square."),
                io.Image.Output("boxes", display_name="boxes", tooltip="The clip with the crops drawn into it."),
                io.Image.Output(
                    "occlusions", display_name="occlusions", tooltip="What stands in front in each square, on black."
                ),
            ],
            **compat.aliases("dismo", "mimo", "crop person"),
        )

    @classmethod
    def execute(cls, template: Template, size: int, overlap: int, min_area: float, as_released: bool) -> io.NodeOutput:
        """Plan, cut, resize, draw."""
        from ...dismo_core.mimo import plan_crops
        from ...dismo_core.mimo.crops.square import BLACK, WHITE, Squares
        from ...dismo_core.mimo.network_inputs import check_size

        side = size or DEFAULT_SIZE
        check_size(side, side)
        opened = template.open(None)
        host.runtime().stage("planning the crops")
        clips = plan_crops(opened.person, overlap, min_area, as_released)
        whole: Sequence[NDArray[np.uint8]] = _Colored(opened.person) if opened.sdc is None else opened.sdc
        poses, backgrounds = (
            to_images(_sized(square, side) for square in Squares(frames, clips, color))
            for frames, color in ((whole, BLACK), (opened.bk, WHITE))
        )
        if opened.occ is None or opened.vid is None:
            occlusions = torch.zeros_like(poses)
        else:
            occlusions = to_images(_sized(square, side) for square in Squares(opened.vid, clips, BLACK, opened.occ))
        shown = opened.bk if opened.vid is None else opened.vid
        boxes = {index: clip.box for clip in reversed(clips) for index in clip.frames}
        drawn = to_images(np.asarray(_with_box(shown[index], boxes[index])) for index in sorted(boxes))
        return io.NodeOutput(Crops(clips, overlap), poses, backgrounds, drawn, occlusions)


class _Colored:
    """Masks [H,W] as pictures [H,W,3], one when it is asked for."""

    def __init__(self, masks: Sequence[NDArray[np.uint8]]) -> None:
        self._masks = masks

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return np.repeat(self._masks[index][..., None], 3, 2)


def _sized(square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square as the networks resize it."""
    return np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.LANCZOS))


def _with_box(frame: NDArray[np.uint8], box: tuple[int, int, int, int]) -> Image.Image:
    """A small picture of a frame with a crop drawn into it."""
    from PIL import ImageDraw  # it loads half of numpy's typing, which would slow every start of ComfyUI

    picture = preview(frame)
    scale = picture.width / frame.shape[1]
    x0, x1, y0, y1 = (round(value * scale) for value in box)
    corners = (x0, y0, min(picture.width, x1) - 1, min(picture.height, y1) - 1)
    ImageDraw.Draw(picture).rectangle(corners, outline=(255, 60, 40), width=2)
    return picture
