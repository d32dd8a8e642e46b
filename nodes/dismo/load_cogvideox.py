"""The node that loads CogVideoX with the motion adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import folder_paths
import torch
from comfy_api.latest import io

from ..shared import compat, files, host
from ..shared.sockets import Extractor, VideoModel
from . import cogvideox_files, model_files

if TYPE_CHECKING:
    from ...dismo_core.cogvideox.positions import Positions


class LoadCogVideoXMotionAdapter(io.ComfyNode):
    """Weights of a motion adapter and of CogVideoX -> DISMO_VIDEO_MODEL, and the adapter's own extractor."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/LoadCogVideoXMotionAdapter.md`."""
        return io.Schema(
            node_id="LoadCogVideoXMotionAdapter",
            display_name="Load CogVideoX Motion Adapter (DisMo)",
            category="DisMo",
            description="Loads CogVideoX-5B-I2V with DisMo's adapter, which makes it follow a motion. The released "
            "adapter is for non-commercial use (CC BY-NC 4.0).",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=cogvideox_files.adapters(),
                    default="cogvideox5b_i2v_large",
                    tooltip="The released adapter, 3.2 GB, CC BY-NC 4.0; or your own files in models/dismo.",
                ),
                io.Combo.Input(
                    "base",
                    options=cogvideox_files.bases(),
                    default="CogVideoX-5b-I2V",
                    tooltip="A diffusers folder in models/diffusers, models/dismo or models/CogVideo, or a transformer "
                    "file in models/diffusion_models (then choose text_encoder and vae, too).",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "bf16", "fp16", "fp32", "fp8", "int8", "nf4"],
                    default="auto",
                    tooltip="auto = bf16 where the GPU has it. fp8, int8 (torchao) and nf4 (bitsandbytes) need less "
                    "memory and are a little less exact.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload", "group offload", "sequential", "disk"],
                    default="auto",
                    tooltip="Where the weights lie, from most memory and fastest to least and slowest. auto picks from "
                    "what is free, and the log says what. disk is for 16 GB of main memory.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch what is missing of the released adapter (3.2 GB) and of the base CogVideoX-5b-I2V "
                    "(21 GB). Off = no network; a missing file is an error that names it.",
                ),
                compat.advanced(
                    io.Combo.Input(
                        "positions",
                        options=["auto", "sincos", "stored"],
                        default="auto",
                        tooltip="The base's position table: auto = as it was trained at each length.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "compile",
                        default=False,
                        tooltip="Compile the transformer's blocks: a slow first run, then faster. Rounds a little "
                        "differently.",
                    )
                ),
                compat.advanced(
                    io.Combo.Input(
                        "cache",
                        options=["off", "first block", "pyramid", "faster"],
                        default="off",
                        tooltip="Leave out work in steps that resemble the one before: faster, less exact.",
                    )
                ),
                compat.advanced(
                    io.Combo.Input(
                        "attention",
                        options=["auto", "sdpa", "cudnn", "flash", "flash 3", "sage", "xformers"],
                        default="auto",
                        tooltip="Attention kernel. sdpa needs nothing installed; auto takes flash 3 where it is.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "keep_tail",
                        default=False,
                        tooltip="Long videos: go on from the last frame of a segment instead of the fifth from the end. "
                        "Fewer segments, but four frames of each follow no motion.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "match_colours",
                        default=False,
                        tooltip="Long videos: bring each segment back to the colors of the picture.",
                    )
                ),
                compat.advanced(
                    io.Combo.Input(
                        "text_encoder",
                        options=cogvideox_files.text_encoders(),
                        default="from base",
                        tooltip="A T5-XXL file in models/text_encoders to use instead of the base folder's.",
                    )
                ),
                compat.advanced(
                    io.Combo.Input(
                        "vae",
                        options=cogvideox_files.vaes(),
                        default="from base",
                        tooltip="A CogVideoX VAE in models/vae to use instead of the base folder's.",
                    )
                ),
            ],
            outputs=[
                VideoModel.Output("video_model", display_name="video_model", tooltip="Goes into Transfer Motion."),
                Extractor.Output(
                    "embedded_extractor",
                    display_name="embedded_extractor",
                    tooltip="The extractor that the adapter was trained with. Goes into Extract Motion.",
                ),
            ],
            **compat.aliases("dismo", "cogvideox", "motion adapter", "image to video"),
        )

    @classmethod
    def fingerprint_inputs(
        cls,
        adapter: str | None = None,
        base: str | None = None,
        text_encoder: str | None = None,
        vae: str | None = None,
        **_: object,
    ) -> str:
        """Load again when a file has changed. Inputs that come from other nodes are None here."""
        return cogvideox_files.fingerprint(adapter, base, text_encoder, vae)

    @classmethod
    def execute(
        cls,
        adapter: str,
        base: str,
        precision: str,
        memory: str,
        download: bool,
        positions: Positions,
        compile: bool,
        cache: str,
        attention: str,
        keep_tail: bool,
        match_colours: bool,
        text_encoder: str,
        vae: str,
    ) -> io.NodeOutput:
        """Load on the CPU; the memory plan brings to the GPU what is needed there."""
        from ...dismo_core.dismo.adapter.load import load_video_model
        from ...dismo_core.memory.precision import compute_dtype

        runtime, progress = host.runtime(), host.download_progress()
        with torch.inference_mode(False):  # prompts run in inference mode; weights made there cannot be trained
            path, load_base = files.find_all(
                lambda: model_files.resolve(adapter, download, progress),
                lambda: cogvideox_files.find_base(base, text_encoder, vae, download, progress),
            )
            model = load_video_model(
                path,
                load_base(compute_dtype(precision, runtime.device)),
                runtime.device,
                precision=precision,
                memory=memory,
                attention=attention,
                compile=compile,
                cache=cache,
                positions=positions,
                keep_tail=keep_tail,
                match_colors=match_colours,
                folder=folder_paths.get_temp_directory(),
            )
        host.register_plan(model, model.adapter.plan)
        extractor = model.adapter.motion_extractor
        host.register(extractor, extractor)
        return io.NodeOutput(model, extractor)
