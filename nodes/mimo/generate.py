"""The nodes that make a character of one picture move: alone on white, or in a template's scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MimoModel, MimoTemplate
from .advice import OUT_OF_MEMORY
from .media import one_picture, video_file

if TYPE_CHECKING:
    import numpy as np
    from comfy_api.latest import Input
    from numpy.typing import NDArray

    from ...dismo_core import Runtime
    from ...dismo_core.mimo import MimoPipeline, Template


class Animate(io.ComfyNode):
    """DISMO_MIMO_MODEL, character, DISMO_MIMO_TEMPLATE -> VIDEO on white."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoAnimate.md`."""
        return io.Schema(
            node_id="DisMoMimoAnimate",
            display_name="MIMO Animate",
            category="DisMo/MIMO",
            description="Makes a character of one picture do what a template's body does, alone on white, at 30 frames per second.",
            inputs=[
                MimoModel.Input("model", tooltip="From Load MIMO Model."),
                io.Image.Input("reference", tooltip="The character on white, from MIMO Prepare Reference."),
                MimoTemplate.Input("template", tooltip="With a body; only that is used."),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Width and height of the video, px; a multiple of 8. 0 = the model's own.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps. 0 = the model's own number. Numbers that divide 1000 are best.",
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the reference; 1 = none, in half the time. 0 = the model's own value.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Start of the random numbers; the same seed gives the same video on every device.",
                ),
                io.Int.Input("max_frames", default=150, min=1, max=4096, tooltip="Make so many frames at most."),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="On white. It lies in a temporary file.")],
            **compat.aliases("dismo", "mimo", "animate anyone", "character"),
        )

    @classmethod
    def execute(
        cls,
        model: MimoPipeline,
        reference: Input.Image,
        template: Template,
        size: int,
        steps: int,
        guidance: float,
        seed: int,
        max_frames: int,
    ) -> io.NodeOutput:
        """Leave it to `animated_frames`."""
        from ...dismo_core.mimo.generate import animated_frames
        from ...dismo_core.mimo.templates.config import CONFIG_FPS

        options = _options(size, steps, guidance, seed)

        def make(runtime: Runtime) -> Iterator[NDArray[np.uint8]]:
            return animated_frames(model, one_picture(reference, "reference"), template, options, max_frames, runtime)

        return io.NodeOutput(_made(model, make, CONFIG_FPS))


class Edit(io.ComfyNode):
    """DISMO_MIMO_MODEL, character, DISMO_MIMO_TEMPLATE -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoEdit.md`."""
        return io.Schema(
            node_id="DisMoMimoEdit",
            display_name="MIMO Edit",
            category="DisMo/MIMO",
            description="Puts a character of one picture into a template's scene, in the place of its person, behind what stands in front.",
            inputs=[
                MimoModel.Input("model", tooltip="From Load MIMO Model."),
                io.Image.Input("reference", tooltip="The character on white, from MIMO Prepare Reference."),
                MimoTemplate.Input("template", tooltip="With a body and a background."),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Width and height of what the model makes around the person, px; a multiple of 8. 0 = the model's own.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps. 0 = the model's own number. Numbers that divide 1000 are best.",
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the reference; 1 = none, in half the time. 0 = the model's own value.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Start of the random numbers; the same seed gives the same video on every device.",
                ),
                io.Int.Input("max_frames", default=150, min=1, max=4096, tooltip="Make so many frames at most."),
                io.Float.Input(
                    "feather",
                    default=0.08,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Share of a crop over which its edge fades into the scene. 0 = a hard edge.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="At the template's rate, with its sound. It lies in a temporary file.",
                )
            ],
            **compat.aliases("dismo", "mimo", "replace person", "character swap"),
        )

    @classmethod
    def execute(
        cls,
        model: MimoPipeline,
        reference: Input.Image,
        template: Template,
        size: int,
        steps: int,
        guidance: float,
        seed: int,
        max_frames: int,
        feather: float,
    ) -> io.NodeOutput:
        """Leave it to `edited_frames`."""
        from ...dismo_core.mimo.generate import edited_frames

        options = _options(size, steps, guidance, seed)

        def make(runtime: Runtime) -> Iterator[NDArray[np.uint8]]:
            picture = one_picture(reference, "reference")
            return edited_frames(model, picture, template, options, max_frames, ramp=feather, runtime=runtime)

        return io.NodeOutput(_made(model, make, template.fps, template.audio(len(template.open(max_frames)))))


def _options(size: int, steps: int, guidance: float, seed: int) -> Any:
    from ...dismo_core.mimo.generate import NetworkOptions

    return NetworkOptions(size or None, size or None, steps or None, guidance or None, seed)


def _made(
    model: MimoPipeline, make: Callable[[Runtime], Iterator[NDArray[np.uint8]]], fps: float, sound: Any = None
) -> Input.Video:
    with host.advising_on_memory(OUT_OF_MEMORY):
        host.bring_to_device(model)
        return video_file(make(host.runtime(model)), fps, sound)
