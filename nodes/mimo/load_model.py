"""The node that loads the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MimoModel
from . import weight_files

if TYPE_CHECKING:
    from ...dismo_core.mimo import MimoPipeline


class LoadModel(io.ComfyNode):
    """Weights -> DISMO_MIMO_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoLoadModel.md`."""
        return io.Schema(
            node_id="DisMoMimoLoadModel",
            display_name="Load MIMO Model",
            category="DisMo/MIMO",
            description="Loads the networks that make a character of one picture move. 'tiny' makes 64 px on any computer; "
            "the released weights make 784 px on a graphics card.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=weight_files.models(),
                    default="tiny",
                    tooltip="tiny comes with this pack. MIMO is the released one. Your own folders, laid out as the release's, go "
                    "into models/dismo/mimo.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp16", "bf16", "fp32"],
                    default="auto",
                    tooltip="Number format of the weights. auto = that of the weights' own YAML file, else fp16 on a graphics card "
                    "and fp32 elsewhere.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload", "group offload", "sequential", "disk"],
                    default="auto",
                    tooltip="Where the weights lie, from most memory and fastest to least and slowest. auto picks from what is "
                    "free, and the log says what.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch what is missing of the released weights and of what they build on. Off = no network; a missing "
                    "file is an error that names it.",
                ),
                compat.advanced(
                    io.Combo.Input(
                        "lora",
                        options=weight_files.loras(),
                        default="none",
                        tooltip="A LoRA of one character, as dismo mimo train lora makes it, in models/loras.",
                    )
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="A VAE of Stable Diffusion 1.5 in the place of the weights' own, from Load VAE.",
                ),
            ],
            outputs=[
                MimoModel.Output(
                    "mimo_model", display_name="mimo_model", tooltip="Goes into MIMO Edit, MIMO Animate or MIMO Sample."
                )
            ],
            **compat.aliases("dismo", "mimo", "character", "animate anyone"),
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, lora: str | None = None, **_: object) -> str:
        """Load again when a file has changed. Inputs that come from other nodes are None here."""
        return weight_files.fingerprint(model, lora)

    @classmethod
    def execute(
        cls, model: str, precision: str, memory: str, download: bool, lora: str = "none", vae: Any = None
    ) -> io.NodeOutput:
        """Load on the CPU; the memory plan brings to the GPU what is needed there."""
        from ...dismo_core.mimo import load_mimo

        device = host.runtime().device
        with torch.inference_mode(False):  # prompts run in inference mode; weights made there cannot be trained
            pipeline: MimoPipeline = load_mimo(
                weight_files.find(model, download, host.download_progress()),
                device,
                None if precision == "auto" else host.DTYPES[precision],
                memory,
                vae=None if vae is None else vae.get_sd(),
                lora=weight_files.lora_path(lora),
            )
        host.register_plan(pipeline, pipeline.plan)
        return io.NodeOutput(pipeline)
