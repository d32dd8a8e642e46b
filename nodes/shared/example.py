"""The node with the pack's own example media."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from . import compat


class ExampleInputs(io.ComfyNode):
    """Name -> clip and picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoExample.md`."""
        from ...dismo_core.assets.examples import example_names

        return io.Schema(
            node_id="DisMoExample",
            display_name="Example Clip and Picture (DisMo)",
            category="DisMo",
            description="A driving clip and a picture that come with this pack, to try motion transfer with.",
            inputs=[
                io.Combo.Input(
                    "example",
                    options=example_names(),
                    default="drawn",
                    tooltip="drawn = a moving drawn shape and a drawn scene; camera = a camera move and a photograph.",
                ),
            ],
            outputs=[
                io.Video.Output("clip", display_name="clip", tooltip="The clip whose motion to take."),
                io.Image.Output("picture", display_name="picture", tooltip="The picture to move."),
            ],
            **compat.aliases("dismo", "demo", "sample input"),
        )

    @classmethod
    def execute(cls, example: str) -> io.NodeOutput:
        """Open the files of the example."""
        from ...dismo_core.assets.examples import example as files_of
        from ...dismo_core.video import read_image

        clip, picture = files_of(example)
        return io.NodeOutput(InputImpl.VideoFromFile(str(clip)), read_image(picture)[None])
