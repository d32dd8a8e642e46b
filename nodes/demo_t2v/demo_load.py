"""The node that loads DEMO."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import DemoModel
from . import demo_files


class DemoLoad(io.ComfyNode):
    """Weights -> DISMO_DEMO_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoLoad.md`."""
        return io.Schema(
            node_id="DisMoDemoLoad",
            display_name="Load DEMO (DisMo)",
            category="DisMo/DEMO",
            description="Loads a text-to-video model whose motion has a prompt of its own. The published weights are for non-commercial "
            "use (CC BY-NC 4.0).",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=demo_files.models(),
                    default="tiny",
                    tooltip="tiny = small weights that come with the pack: drawn objects, 64 px, no download. demo = the published "
                    "weights, in models/dismo/demo. Your own files go there, too.",
                ),
                io.Combo.Input(
                    "motion_encoder",
                    options=demo_files.encoders(),
                    default="auto",
                    tooltip="What reads the motion prompt. auto = that of tiny, or motion_encoder in models/dismo/demo.",
                ),
                io.Combo.Input(
                    "autoencoder",
                    options=demo_files.autoencoders(),
                    default="auto",
                    tooltip="Latents to pictures. auto = that of tiny, or VQGAN_autoencoder in models/dismo/demo; any SD 1.x VAE does.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp32", "bf16", "fp16", "fp8"],
                    default="auto",
                    tooltip="auto = bf16 where the GPU has it, fp32 on a CPU. fp8 stores the large matrices in half the memory of fp16.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload", "group offload", "sequential", "disk"],
                    default="auto",
                    tooltip="Where the weights lie, from most memory and fastest to least and slowest. auto picks from what is free, and "
                    "the log says what.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch the published files that are missing, 19 GB with what only training needs. Off = no network; a missing "
                    "file is an error that names it.",
                ),
            ],
            outputs=[
                DemoModel.Output("demo_model", display_name="demo_model", tooltip="Goes into the other nodes of DEMO.")
            ],
            **compat.aliases("dismo", "demo", "text to video", "modelscope"),
        )

    @classmethod
    def fingerprint_inputs(
        cls, model: str | None = None, motion_encoder: str | None = None, autoencoder: str | None = None, **_: object
    ) -> str:
        """Load again when a file has changed. Inputs that come from other nodes are None here."""
        return demo_files.fingerprint(model, motion_encoder, autoencoder)

    @classmethod
    def execute(
        cls, model: str, motion_encoder: str, autoencoder: str, precision: str, memory: str, download: bool
    ) -> io.NodeOutput:
        """Load on the CPU; the memory plan brings to the GPU what is needed there."""
        from ...dismo_core.demo_t2v import load_demo

        runtime = host.runtime()
        with torch.inference_mode(False):  # prompts run in inference mode; weights made there cannot be trained
            loaded = load_demo(
                demo_files.find_parts(model, motion_encoder, autoencoder, download, host.download_progress()),
                device=runtime.device,
                precision=precision,
                memory=memory,
                stage=runtime.stage,
            )
        host.register_plan(loaded, loaded.plan)
        return io.NodeOutput(loaded)
