"""The nodes that load networks of 4D."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io

from ..shared import compat, files, host
from ..shared.files import PACK
from ..shared.sockets import Guidance4D, Static4D

log = logging.getLogger("dismo")
PLACES = ("diffusers", PACK)  # downloads go into the first
RELEASED = "lgm-big"
KINDS = {"stable-zero123": "stable", "zero123-xl": "xl"}


def static_models() -> list[str]:
    """The released one, then files in `models/dismo` that are called as one."""
    return [RELEASED, *(name for name in folder_paths.get_filename_list(PACK) if "lgm" in name.lower())]


def _places() -> list[Path]:
    return [Path(place) for name in PLACES for place in folder_paths.get_folder_paths(name)]


class LoadStatic(io.ComfyNode):
    """Files -> DISMO_4D_STATIC."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DLoadStatic.md`."""
        return io.Schema(
            node_id="DisMo4DLoadStatic",
            display_name="Load 4D Static Model (DisMo)",
            category="DisMo/4D",
            description="Loads LGM and ImageDream, which invent the other sides of a picture. For a graphics card.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=static_models(),
                    default="lgm-big",
                    tooltip="lgm-big = the released LGM; other files with lgm in their name in models/dismo. Each needs the folder "
                    "imagedream-ipmv-diffusers in models/diffusers, too.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp16", "bf16", "fp32"],
                    default="auto",
                    tooltip="auto = fp16 on a graphics card, fp32 on a CPU.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload"],
                    default="auto",
                    tooltip="full = everything on the card, model offload = one network at a time; auto picks from what is free.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch what is missing, some 6 GB. Off = no network; a missing file is an error that names it.",
                ),
            ],
            outputs=[
                Static4D.Output(
                    "static_model", display_name="static_model", tooltip="Goes into 4D Gaussians from Clip."
                )
            ],
            **compat.aliases("dismo", "4d", "lgm", "imagedream", "image to 3d"),
        )

    @classmethod
    def execute(cls, model: str, precision: str, memory: str, download: bool) -> io.NodeOutput:
        """Find the files, then leave it to `load_static_lgm`."""
        from ...dismo_core.gaussians4d.static_lgm import load_static_lgm
        from ...dismo_core.gaussians4d.weights import LGM_FILE, find_folders

        lgm, imagedream = find_folders(RELEASED, _places(), download=download, progress=host.download_progress())
        file = lgm / LGM_FILE if model == RELEASED else Path(files.full_path(PACK, model))
        with torch.inference_mode(False), host.advising_on_memory():
            static = load_static_lgm(
                file, imagedream, device=host.runtime().device, dtype=host.DTYPES.get(precision), memory=memory
            )
        host.register_plan(static, static.plan)
        return io.NodeOutput(static)


class LoadGuidance(io.ComfyNode):
    """Folder -> DISMO_4D_GUIDANCE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DLoadGuidance.md`."""
        return io.Schema(
            node_id="DisMo4DLoadGuidance",
            display_name="Load 4D Guidance (DisMo)",
            category="DisMo/4D",
            description="Loads a zero123, which judges the other sides while a model is fitted. For a graphics card.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=["stable-zero123", "zero123-xl"],
                    default="stable-zero123",
                    tooltip="stable-zero123 is not for commercial use. Its folder stable-zero123-diffusers, or zero123-xl-diffusers, lies "
                    "in models/diffusers or models/dismo.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp16", "bf16", "fp32"],
                    default="auto",
                    tooltip="auto = fp16 on a graphics card, as published; fp32 on a CPU.",
                ),
                io.Combo.Input(
                    "memory",
                    options=["auto", "full", "model offload"],
                    default="auto",
                    tooltip="full = everything on the card, model offload = the image tower leaves it while the judge works; auto picks "
                    "from what is free.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Fetch what is missing, some 5 GB. Off = no network; a missing file is an error that names it.",
                ),
            ],
            outputs=[Guidance4D.Output("guidance", display_name="guidance", tooltip="Goes into Fit 4D.")],
            **compat.aliases("dismo", "4d", "zero123"),
        )

    @classmethod
    def execute(cls, model: str, precision: str, memory: str, download: bool) -> io.NodeOutput:
        """Find the folder, then leave it to `load_zero123`."""
        from ...dismo_core.gaussians4d.weights import find_folders
        from ...dismo_core.gaussians4d.zero123 import load_zero123

        (folder,) = find_folders(model, _places(), download=download, progress=host.download_progress())
        with torch.inference_mode(False), host.advising_on_memory():
            judge = load_zero123(
                folder,
                KINDS[model],
                device=host.runtime().device,
                dtype=host.DTYPES.get(precision),
                memory=memory,
            )
        host.register_plan(judge, judge.plan)
        return io.NodeOutput(judge)
