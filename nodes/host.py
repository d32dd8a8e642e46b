"""ComfyUI as the host of a computation: device, progress, cancel, memory.

What a loader node registered takes part in ComfyUI's memory management. A module is moved by its ModelPatcher and by
nothing else; a large model is moved by its `MemoryPlan` and by nothing else, for which a `PlanPatcher` stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comfy.model_management as management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ..dismo_core import Runtime

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..dismo_core.cogvideox.memory import MemoryPlan

log = logging.getLogger("dismo")

PREVIEW_SIZE = 512
OUT_OF_MEMORY = (
    "Out of memory. Make fewer frames (frame_count in Extract Motion), choose a memory setting further down the list in Load "
    "CogVideoX Motion Adapter, or a smaller precision; close other programs that use the GPU."
)
_told: set[str] = set()  # nodes that show a warning
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Weights(torch.nn.Module):
    """What ModelPatcher manages of a module, and writes bookkeeping attributes onto: its parameters, buffers and children.

    Not the module itself, which holds the patcher: ComfyUI counts on a patcher to vanish with the last reference to its owner,
    and stumbles over one that vanishes later, when Python collects cycles.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._parameters, self._buffers, self._modules = module._parameters, module._buffers, module._modules


class PlanPatcher(ModelPatcher):
    """What ComfyUI sees of a model that a plan moves: how much of it is on the device, and how to send that away.

    It comes to the device when it runs, after it has asked ComfyUI for room (`Runtime.free_memory`); what ComfyUI calls
    loading only enters it into the list of what may be sent away.
    """

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        super().__init__(torch.nn.Module(), load_device=plan.device, offload_device=offload_device())

    def model_size(self) -> int:
        return self.plan.bytes_on_device()

    def loaded_size(self) -> int:
        return self.plan.bytes_on_device()

    def partially_load(self, device_to: torch.device, extra_memory: float = 0, *_: Any, **__: Any) -> int:
        self.model.device = device_to
        return 0

    def partially_unload(self, device_to: torch.device, memory_to_free: float = 0, *_: Any, **__: Any) -> int:
        freed = self.loaded_size()
        self.detach()
        return freed

    def detach(self, unpatch_all: bool = True) -> torch.nn.Module:
        if unpatch_all:  # otherwise ComfyUI only enters it anew
            self.plan.release()
            self.model.device = self.offload_device
        return self.model

    def __del__(self) -> None:
        self.plan.release()


def offload_device() -> torch.device:
    """Where weights wait while they are not used."""
    return management.unet_offload_device()


def register(owner: Any, module: torch.nn.Module) -> None:
    """Let ComfyUI move `module` to and from the device; `owner` is what travels through the socket."""
    owner.comfy_patcher = ModelPatcher(
        Weights(module), load_device=management.get_torch_device(), offload_device=offload_device()
    )


def register_plan(owner: Any, plan: MemoryPlan) -> None:
    """Let ComfyUI send away what `plan` has on the device; `owner` is what travels through the socket."""
    plan.parts.pop("motion_extractor", None)  # registered by itself, as every extractor
    owner.comfy_patcher = PlanPatcher(plan)


def share(owner: Any, other: Any) -> None:
    """Let `other` stand for the same registered weights as `owner`."""
    other.comfy_patcher = getattr(owner, "comfy_patcher", None)


def bring_to_device(owner: Any) -> None:
    """Put a registered owner's weights on the device, whole: plain layers of a part left behind could not run there.

    What a plan moves comes there when it runs.
    """
    patcher = getattr(owner, "comfy_patcher", None)
    if patcher is not None:
        with torch.inference_mode(False):  # weights moved inside inference mode could not be trained later
            management.load_models_gpu([patcher], force_full_load=True)


def runtime(owner: Any = None) -> Runtime:
    """The running ComfyUI as a `Runtime`; its progress bar also shows previews and raises when the user cancels.

    Args:
        owner: what runs, if it is registered; it stays where it is when it asks for memory.
    """
    bar = comfy.utils.ProgressBar(1)
    device = management.get_torch_device()
    patcher = getattr(owner, "comfy_patcher", None)

    def progress(done: int, total: int, preview: Image | None) -> None:
        management.throw_exception_if_processing_interrupted()  # newer bars pass over most calls of a long run
        bar.update_absolute(done, total, None if preview is None else ("JPEG", preview, PREVIEW_SIZE))

    def free_memory(needed_bytes: int) -> None:
        kept = [] if patcher is None else [management.LoadedModel(patcher)]
        management.free_memory(needed_bytes, device, keep_loaded=kept)

    return Runtime(
        device=device,
        dtype=None,
        offload_device=offload_device(),
        progress=progress,
        check_cancel=management.throw_exception_if_processing_interrupted,
        free_memory=free_memory,
    )


def download_progress() -> Callable[[int, int], None]:
    """The running node's progress bar for (bytes done, bytes in all); raises when the user cancels."""
    report = runtime().progress
    return lambda done, total: report(done, total, None)


def tell(message: str | None) -> None:
    """Show a warning in the log and on the running node, to whoever queued it; None takes an earlier one away."""
    from server import PromptServer

    server = PromptServer.instance
    node = server.last_node_id
    if message:
        log.warning("DisMo: %s", message)
    if node is None or not (message or node in _told):  # nobody watches, or there is nothing to take away
        return
    (_told.add if message else _told.discard)(node)
    server.send_progress_text(message or " ", node, server.client_id)  # the page ignores an empty text


@contextmanager
def advising_on_memory() -> Iterator[None]:
    """Say what to change when memory runs out; the exception itself is ComfyUI's to handle."""
    try:
        yield
    except management.OOM_EXCEPTION:
        tell(OUT_OF_MEMORY)
        raise
    tell(None)
