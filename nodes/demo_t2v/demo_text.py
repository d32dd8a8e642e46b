"""The node that reads the two prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import DemoConditioning, DemoModel
from .advice import OUT_OF_MEMORY
from .prompts import DemoPrompts

if TYPE_CHECKING:
    from torch import Tensor

    from ...dismo_core.demo_t2v import DemoTextToVideo


class DemoTextEncode(io.ComfyNode):
    """Two prompts -> DISMO_DEMO_COND."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoTextEncode.md`."""
        return io.Schema(
            node_id="DisMoDemoTextEncode",
            display_name="DEMO Prompts (DisMo)",
            category="DisMo/DEMO",
            description="Says what is seen and how it moves, each in a box of its own.",
            inputs=[
                DemoModel.Input("model", tooltip="From Load DEMO."),
                io.String.Input("prompt", default="", multiline=True, tooltip="What is seen."),
                io.String.Input(
                    "motion_prompt",
                    default="",
                    multiline=True,
                    tooltip="How it moves, best a whole sentence with what is seen in it. Empty = the prompt, as published.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What it should not show. Empty = the model's own.",
                ),
                io.String.Input(
                    "negative_motion",
                    default="",
                    multiline=True,
                    tooltip="How it should not move. Empty = the negative prompt.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="A CLIP of SD 2.x (ViT-H) to read prompt and negative_prompt with, instead of the file of DEMO's base. 77 "
                    "tokens, no weights in brackets.",
                ),
            ],
            outputs=[
                DemoConditioning.Output(
                    "conditioning", display_name="conditioning", tooltip="Goes into DEMO Sample and the others."
                )
            ],
            **compat.aliases("dismo", "demo", "motion prompt", "text encode"),
        )

    @classmethod
    def execute(
        cls,
        model: DemoTextToVideo,
        prompt: str,
        motion_prompt: str,
        negative_prompt: str,
        negative_motion: str,
        clip: Any = None,
    ) -> io.NodeOutput:
        """Encode; each text once."""
        from ...dismo_core.demo_t2v import Conditioning

        motion = motion_prompt.strip() or prompt
        negative = negative_prompt.strip() or model.defaults.negative_prompt
        with host.advising_on_memory(OUT_OF_MEMORY):
            host.bring_to_device(model)
            contents = [_through_clip(clip, text, model) if clip is not None else model.encode_content([text])
                        for text in (prompt, negative)]  # fmt: skip
            motions = [model.encode_motion([text]) for text in (motion, negative_motion.strip() or negative)]
        positive, led_from = (Conditioning(*pair) for pair in zip(contents, motions, strict=True))
        return io.NodeOutput(DemoPrompts(positive, led_from, prompt, motion))


def _through_clip(clip: Any, text: str, model: DemoTextToVideo) -> Tensor:
    """States of a text by ComfyUI's CLIP, [1, 77, width].

    Raises:
        DisMoError: a CLIP of another width.
    """
    from ...dismo_core import DisMoError

    states: Tensor = clip.encode_from_tokens(clip.tokenize(text))
    wanted = model.unet.geometry["context_width"]
    if states.shape[-1] != wanted:
        raise DisMoError(
            f"The CLIP gives states of width {states.shape[-1]}; this model reads {wanted}. The published weights read what ViT-H of SD "
            "2.x gives (CLIPLoader, type stable_diffusion). Load that one, or leave clip unconnected."
        )
    return states[:, :77].to(model.device, model.dtype)
