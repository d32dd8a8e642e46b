"""The node that runs the networks on squares."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MimoModel
from .advice import OUT_OF_MEMORY
from .media import one_picture, to_frames, to_images

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.mimo import MimoPipeline

log = logging.getLogger("dismo")


class Sample(io.ComfyNode):
    """DISMO_MIMO_MODEL, character, bodies, scenes -> frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoSample.md`."""
        return io.Schema(
            node_id="DisMoMimoSample",
            display_name="MIMO Sample",
            category="DisMo/MIMO/steps",
            description="Makes a character of one picture do what pictures of a body do, in scenes or on white.",
            inputs=[
                MimoModel.Input("model", tooltip="From Load MIMO Model."),
                io.Image.Input("reference", tooltip="The character on white, from MIMO Prepare Reference."),
                io.Image.Input(
                    "poses", tooltip="Bodies on black, from MIMO Plan Crops; their size is that of the frames."
                ),
                io.Image.Input(
                    "backgrounds",
                    optional=True,
                    tooltip="The scene of each pose, from MIMO Plan Crops. Without it white.",
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
                    tooltip="Start of the random numbers; the same seed gives the same frames on every device.",
                ),
                io.Int.Input(
                    "window",
                    default=24,
                    min=2,
                    max=32,
                    tooltip="Frames that are made together. Fewer need less memory.",
                ),
                io.Int.Input("overlap", default=4, min=0, max=31, tooltip="Frames that two windows share."),
                io.Boolean.Input(
                    "closed_loop",
                    default=True,
                    tooltip="Join the end of the clip to its beginning, as the published software does.",
                ),
                io.Image.Input(
                    "occlusions",
                    optional=True,
                    tooltip="What stands in front of each pose, on black, from MIMO Plan Crops; for weights of 12 input channels, as "
                    "the paper has them. The released weights have 8 and are not shown it. Without it nothing stands in front.",
                ),
            ],
            outputs=[io.Image.Output("frames", display_name="frames", tooltip="For MIMO Compose.")],
            **compat.aliases("dismo", "mimo", "animate anyone"),
        )

    @classmethod
    def execute(
        cls,
        model: MimoPipeline,
        reference: Input.Image,
        poses: Input.Image,
        steps: int,
        guidance: float,
        seed: int,
        window: int,
        overlap: int,
        closed_loop: bool,
        backgrounds: Input.Image | None = None,
        occlusions: Input.Image | None = None,
    ) -> io.NodeOutput:
        """Leave it to the pipeline."""
        import torch

        if occlusions is not None and not model.takes_occlusions:
            log.info("DisMo: the weights have no channels for what stands in front: occlusions is left out.")
            occlusions = None
        runtime = host.runtime(model)
        with host.advising_on_memory(OUT_OF_MEMORY):
            host.bring_to_device(model)
            frames = model.sample(
                one_picture(reference, "reference"),
                to_frames(poses),
                None if backgrounds is None else to_frames(backgrounds),
                occlusions=None if occlusions is None else to_frames(occlusions),
                width=poses.shape[2],
                height=poses.shape[1],
                steps=steps or model.steps,
                guidance=guidance or model.guidance,
                window=window,
                overlap=overlap,
                closed_loop=closed_loop,
                generator=torch.Generator().manual_seed(seed),
                runtime=runtime,
            )
        return io.NodeOutput(to_images(frames))
