"""The node that loads a CMD model."""

from __future__ import annotations

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import CMDModel
from . import cmd_files


class CMDLoadModel(io.ComfyNode):
    """Weights -> DISMO_CMD_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDLoadModel.md`."""
        return io.Schema(
            node_id="DisMoCMDLoadModel",
            display_name="CMD Load Model (DisMo)",
            category="DisMo/CMD",
            description="Loads what takes a clip apart into one picture and a motion, and puts it together again.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=cmd_files.models(),
                    default="tiny",
                    tooltip="'tiny' is made for 64 px and 16 frames. Folders with autoencoder, motion_model and content_model, or one file "
                    "with an autoencoder, go into models/dismo/content_motion.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["fp32", "bf16", "fp16"],
                    default="fp32",
                    tooltip="Number format of the weights. fp32 is exact; bf16 and fp16 halve the memory.",
                ),
            ],
            outputs=[
                CMDModel.Output("cmd_model", display_name="cmd_model", tooltip="Goes into the other nodes of CMD.")
            ],
            **compat.aliases("dismo", "cmd", "content motion", "load motion autoencoder"),
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_: object) -> str:
        """Load again when a file has changed. Inputs that come from other nodes are None here."""
        return cmd_files.model_fingerprint(model)

    @classmethod
    def execute(cls, model: str, precision: str) -> io.NodeOutput:
        """Load on the host; each part is on the GPU while it is used."""
        import torch

        from ...dismo_core.content_motion import load_content_motion

        with torch.inference_mode(False):  # prompts run in inference mode; weights made there take no gradients
            loaded = load_content_motion(cmd_files.model_path(model), host.runtime().device, host.DTYPES[precision])
        host.register_plan(loaded, loaded.plan)
        return io.NodeOutput(loaded)
