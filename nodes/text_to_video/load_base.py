"""The node that loads a text-to-video base."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import TextToVideoBase
from . import base_files


class LoadTextToVideo(io.ComfyNode):
    """Weights -> DISMO_T2V_BASE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoLoadTextToVideo.md`."""
        return io.Schema(
            node_id="DisMoLoadTextToVideo",
            display_name="Load Text to Video (DisMo)",
            category="DisMo/text to video",
            description="Loads a text-to-video base of the ModelScope family, such as ZeroScope: what MotionDirector learns motions for.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=base_files.choices(),
                    default="tiny",
                    tooltip="tiny = the one of this pack, 64 px, for trying things without a GPU. zeroscope_v2_576w and "
                    "text-to-video-ms-1.7b: CC BY-NC 4.0, not for commercial use, 7 GB each. Others: diffusers folders in "
                    "models/diffusers.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "bf16", "fp16", "fp32", "fp8", "int8", "nf4"],
                    default="auto",
                    tooltip="auto = bf16 on a GPU that has it, fp32 on a CPU. fp8, int8 (torchao) and nf4 (bitsandbytes) store the "
                    "large matrices in fewer bits.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload", "group offload", "sequential", "disk"],
                    default="auto",
                    tooltip="Where the weights lie, from most memory and fastest to least and slowest. auto picks from what is free, "
                    "and the log says what.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch a published base that is missing, 7 GB. Off = no network; the error names the files.",
                ),
            ],
            outputs=[
                TextToVideoBase.Output(
                    "base", display_name="base", tooltip="Goes into Train MotionDirector and MotionDirector Sample."
                )
            ],
            **compat.aliases("dismo", "zeroscope", "modelscope", "text to video", "motiondirector"),
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_: object) -> str:
        """Load again when a file has changed. Inputs that come from other nodes are None here."""
        return base_files.fingerprint(model)

    @classmethod
    def execute(cls, model: str, precision: str, memory: str, download: bool) -> io.NodeOutput:
        """Load on the CPU; the memory plan brings to the GPU what is needed there."""
        from ...dismo_core.text_to_video import load_text_to_video

        runtime, progress = host.runtime(), host.download_progress()
        with torch.inference_mode(False):  # prompts run in inference mode; weights made there cannot be trained
            base = load_text_to_video(
                base_files.resolve(model, download, progress),
                device=runtime.device,
                precision=precision,
                memory=memory,
                stage=runtime.stage,
            )
        host.register_plan(base, base.plan)
        host.notify(f"{base.name}: {base.licence}" if base.licence else None)
        return io.NodeOutput(base)
