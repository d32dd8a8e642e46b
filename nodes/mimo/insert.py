"""The node that puts a character's own frames into a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MimoTemplate
from .media import character_of, counted, video_file

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.mimo import Template


class InsertCharacter(io.ComfyNode):
    """DISMO_MIMO_TEMPLATE, a character's frames -> VIDEO; no network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoInsertCharacter.md`."""
        return io.Schema(
            node_id="DisMoMimoInsertCharacter",
            display_name="Insert Character (MIMO)",
            category="DisMo/MIMO",
            description="Puts a character's own frames in the place of a template's person, behind what stands in front. Exact, in "
            "seconds, without a graphics card or a download.",
            inputs=[
                MimoTemplate.Input(
                    "template", tooltip="From Load MIMO Template, for example. A mask or a body is enough."
                ),
                io.Image.Input(
                    "character",
                    optional=True,
                    tooltip="Frames of the character, or one picture. Leave empty if character_video is connected.",
                ),
                io.Video.Input(
                    "character_video",
                    optional=True,
                    tooltip="A video of the character. Leave empty if character is connected.",
                ),
                io.Mask.Input(
                    "alpha",
                    optional=True,
                    tooltip="White where the character is: one for each frame, or one for all. Without it its transparency or its "
                    "flat background says that.",
                ),
                io.Combo.Input(
                    "anchor",
                    options=["feet", "centre", "none"],
                    default="feet",
                    tooltip="What of it comes to where the person's is; none = its frames lie as they are.",
                ),
                io.Combo.Input(
                    "scale",
                    options=["height", "none"],
                    default="height",
                    tooltip="height = as tall as the person in each frame, none = its own size.",
                ),
                io.Float.Input("size", default=1.0, min=0.1, max=4.0, step=0.05, tooltip="Factor on its size."),
                io.Combo.Input(
                    "time",
                    options=["stretch", "loop", "trim"],
                    default="stretch",
                    tooltip="Its frames over those of the template: stretched to as long, repeated, or as far as the shorter goes.",
                ),
                io.Int.Input(
                    "smooth",
                    default=5,
                    min=0,
                    max=60,
                    tooltip="Frames over which the person's place and height are smoothed. 0 for a shaking camera.",
                ),
                io.Float.Input(
                    "feather", default=1.0, min=0.0, max=32.0, step=0.5, tooltip="Pixels over which its edge falls off."
                ),
                io.Boolean.Input("flip", default=False, tooltip="Mirror it."),
                io.Boolean.Input("shadow", default=False, tooltip="A soft shadow under its feet."),
                io.Boolean.Input(
                    "match_colour", default=False, tooltip="Bring its colors nearer to those of the scene at its feet."
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="At the template's rate, with its sound. It lies in a temporary file.",
                )
            ],
            **compat.aliases("dismo", "mimo", "replace person", "compositing"),
        )

    @classmethod
    def execute(
        cls,
        template: Template,
        anchor: str,
        scale: str,
        size: float,
        time: str,
        smooth: int,
        feather: float,
        flip: bool,
        shadow: bool,
        match_colour: bool,
        character: Input.Image | None = None,
        character_video: Input.Video | None = None,
        alpha: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Leave it to `inserted_frames`, one frame after the other, into a file."""
        from dataclasses import replace

        from ...dismo_core.mimo.insertion.insert import Insertion, inserted_frames

        runtime = host.runtime()
        runtime.stage("reading the character")
        frames, masks, fps = character_of("Insert Character", character, character_video, alpha)
        options = Insertion(
            anchor,
            scale,
            size,
            time=time,
            character_fps=fps,
            smooth=smooth,
            feather=feather,
            flip=flip,
            shadow=shadow,
            match_colour=match_colour,
        )
        opened = template.open(None)
        runtime.stage("inserting the character")
        quiet = replace(runtime, progress=lambda *_: None)  # the file's writer tells it, with pictures
        made = inserted_frames(frames, masks, opened, options, quiet)
        return io.NodeOutput(video_file(made, template.fps, template.audio(len(opened)), counted(runtime, len(opened))))
