"""ComfyUI as the host of a computation: device, progress, cancel, memory.

A module that a loader node registered belongs to ComfyUI's memory management: it is moved by its ModelPatcher and by
nothing else. A video model that looks after its own memory is not registered; it uses the `Runtime` it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import comfy.model_management as management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ..dismo_core import Runtime

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW_SIZE = 512
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Weights(torch.nn.Module):
    """Holds a module for ModelPatcher, which writes bookkeeping attributes onto what it manages."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module


def offload_device() -> torch.device:
    """Where weights wait while they are not used."""
    return management.unet_offload_device()


def register(owner: Any, module: torch.nn.Module) -> None:
    """Let ComfyUI move `module` to and from the device; `owner` is what travels through the socket."""
    owner.comfy_patcher = ModelPatcher(
        Weights(module), load_device=management.get_torch_device(), offload_device=offload_device()
    )


def bring_to_device(owner: Any) -> None:
    """Put a registered owner's weights on the device, whole: plain layers of a part left behind could not run there."""
    patcher = getattr(owner, "comfy_patcher", None)
    if patcher is not None:
        with torch.inference_mode(False):  # weights moved inside inference mode could not be trained later
            management.load_models_gpu([patcher], force_full_load=True)


def runtime() -> Runtime:
    """The running ComfyUI as a `Runtime`; its progress bar also shows previews and raises when the user cancels."""
    bar = comfy.utils.ProgressBar(1)
    device = management.get_torch_device()

    def progress(done: int, total: int, preview: Image | None) -> None:
        bar.update_absolute(done, total, None if preview is None else ("JPEG", preview, PREVIEW_SIZE))

    def free_memory(needed_bytes: int) -> None:
        management.free_memory(needed_bytes, device)

    return Runtime(
        device=device,
        dtype=None,
        offload_device=offload_device(),
        progress=progress,
        check_cancel=management.throw_exception_if_processing_interrupted,
        free_memory=free_memory,
    )
