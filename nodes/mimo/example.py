"""The node with MIMO's own example."""

from __future__ import annotations

from comfy_api.latest import io

from ..shared import compat
from ..shared.sockets import MimoTemplate
from .media import to_images


class Example(io.ComfyNode):
    """Name -> template and character."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoExample.md`."""
        return io.Schema(
            node_id="DisMoMimoExample",
            display_name="MIMO Example",
            category="DisMo/MIMO",
            description="A driving template and a character to put into it; both are drawn and come with this pack.",
            inputs=[
                io.Combo.Input(
                    "example",
                    options=["gym"],
                    default="gym",
                    tooltip="gym = a drawn figure that walks behind a post and a bush, and another figure doing the same.",
                ),
            ],
            outputs=[
                MimoTemplate.Output(
                    "template", display_name="template", tooltip="Scene, motion and what stands in front."
                ),
                io.Image.Output(
                    "reference", display_name="reference", tooltip="The character in one picture, for MIMO Edit."
                ),
                io.Image.Output(
                    "character", display_name="character", tooltip="The character's own frames, for Insert Character."
                ),
                io.Mask.Output("alpha", display_name="alpha", tooltip="Where the character is in its frames."),
            ],
            **compat.aliases("dismo", "mimo", "demo", "sample input"),
        )

    @classmethod
    def execute(cls, example: str) -> io.NodeOutput:
        """Read the bundled files."""
        from ...dismo_core.mimo import prepare_reference
        from ...dismo_core.mimo.insertion.character import read_character
        from ...dismo_core.mimo.weights import EXAMPLE_CHARACTER, example_template

        character = read_character(EXAMPLE_CHARACTER)
        reference = prepare_reference(character.frames[0], character.alpha[0])
        return io.NodeOutput(
            example_template(), to_images([reference]), to_images(character.frames), to_images(character.alpha)
        )
