"""The node that makes a character's picture what the network expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat
from .media import one_picture, to_images, to_masks, transparency

if TYPE_CHECKING:
    from comfy_api.latest import Input


class PrepareReference(io.ComfyNode):
    """Picture and outline -> the character on white, in a square."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoPrepareReference.md`."""
        return io.Schema(
            node_id="DisMoMimoPrepareReference",
            display_name="MIMO Prepare Reference",
            category="DisMo/MIMO",
            description="Puts a character on white, cut to its outline and padded to a square, as MIMO was trained with.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="One picture of the character: the whole body, from the front, nothing before it."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where the character is. Without it, the picture's transparency or its flat background says that. "
                    "The mask of Load Image is the other way round: put Invert Mask between.",
                ),
            ],
            outputs=[
                io.Image.Output("reference", display_name="reference", tooltip="Goes into MIMO Edit or MIMO Animate.")
            ],
            **compat.aliases("dismo", "mimo", "reference", "cut out"),
        )

    @classmethod
    def execute(cls, image: Input.Image, mask: Input.Mask | None = None) -> io.NodeOutput:
        """Find the outline, then leave it to `prepare_reference`."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo import prepare_reference
        from ...dismo_core.mimo.crops.flat_background import outline

        picture = one_picture(image, "image")
        if mask is not None:
            masks = to_masks(mask)
            if len(masks) != 1 or masks.shape[1:] != picture.shape[:2]:
                raise DisMoError(
                    f"The mask is {masks.shape[2]}x{masks.shape[1]} px ({len(masks)} of them), the picture {picture.shape[1]}x"
                    f"{picture.shape[0]}. Give one mask of the picture's size; Load Image gives an empty one where nothing is transparent."
                )
            alpha = masks[0]
        else:
            own = transparency(image)
            alpha = outline(picture, "The picture") if own is None else own[0]
        return io.NodeOutput(to_images([prepare_reference(picture, alpha)]))
