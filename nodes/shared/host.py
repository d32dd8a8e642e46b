"""ComfyUI as the host of a computation: device, progress, cancel, memory.

What a loader node registered takes part in ComfyUI's memory management. A module is moved by its ModelPatcher and by
nothing else; a large model is moved by its `MemoryPlan` and by nothing else, for which a `PlanPatcher` stands. The
attribute `patcher` of what travels through a socket is where ComfyUI's cache looks for a model's size.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comfy.model_management as management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ...dismo_core import Runtime

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...dismo_core.memory.plan import MemoryPlan

log = logging.getLogger("dismo")

SMALL = 64_000_000  # bytes; what is smaller is not worth sending another pack's model away for
OUT_OF_MEMORY = (
    "Out of memory. Make fewer frames (frame_count in Extract Motion), choose a memory setting further down the list in Load "
    "CogVideoX Motion Adapter, or a smaller precision; close other programs that use the GPU."
)
_notified: set[str] = set()  # nodes that show a warning
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Weights(torch.nn.Module):
    """What ModelPatcher manages of a module, and writes bookkeeping attributes onto: its parameters, buffers and children.

    Not the module itself, which holds the patcher: ComfyUI counts on a patcher to vanish with the last reference to its owner,
    and stumbles over one that vanishes later, when Python collects cycles.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._parameters, self._buffers, self._modules = module._parameters, module._buffers, module._modules


class Planned(torch.nn.Module):
    """Stands for a model that a plan moves; when nothing holds it any more, the plan frees the device."""

    def __init__(self, plan: MemoryPlan) -> None:
        super().__init__()
        self.plan = plan
        weakref.finalize(self, plan.release)


class PlanPatcher(ModelPatcher):
    """What ComfyUI sees of a model that a plan moves: how large it is, how much of it is on the device, how to send that away.

    It comes to the device when it runs, after it has asked ComfyUI for room (`Runtime.free_memory`); what ComfyUI calls
    loading only enters it into the list of what may be sent away. Clones stand for the same plan.

    Args:
        model: a `Planned`. The other arguments are ComfyUI's own.
    """

    entering = False  # into that list: nothing is loaded then, so nothing need be freed for it

    @property
    def plan(self) -> MemoryPlan:
        """Of the model."""
        plan: MemoryPlan = self.model.plan
        return plan

    def model_size(self) -> int:
        return self.plan.bytes_on_device() if self.entering else self.plan.bytes_of_weights()

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
        if unpatch_all:  # otherwise ComfyUI only enters it again
            self.plan.release()
            self.model.device = self.offload_device
        return self.model


def offload_device() -> torch.device:
    """Where weights wait while they are not used."""
    return management.unet_offload_device()


def register(owner: Any, module: torch.nn.Module) -> None:
    """Let ComfyUI move `module` to and from the device, unless it is small: that stays where it is used.

    Args:
        owner: what travels through the socket.
    """
    owner.patcher = None
    if sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers())) < SMALL:
        module.to(management.get_torch_device())
    else:
        owner.patcher = ModelPatcher(
            Weights(module), load_device=management.get_torch_device(), offload_device=offload_device()
        )


def register_plan(owner: Any, plan: MemoryPlan) -> None:
    """Let ComfyUI send away what `plan` has on the device; `owner` is what travels through the socket."""
    plan.parts.pop("motion_extractor", None)  # registered by itself, as every extractor
    owner.patcher = PlanPatcher(Planned(plan), load_device=plan.device, offload_device=offload_device())


def share(owner: Any, other: Any) -> None:
    """Let `other` stand for the same registered weights as `owner`."""
    other.patcher = getattr(owner, "patcher", None)


def bring_to_device(owner: Any) -> None:
    """Put a registered owner's weights on the device, whole: plain layers of a part left behind could not run there.

    What a plan moves comes there when it runs, and what is small lies there.
    """
    patcher = getattr(owner, "patcher", None)
    if patcher is None:
        return
    planned = isinstance(patcher, PlanPatcher)
    with torch.inference_mode(False):  # weights moved inside inference mode could not be trained later
        if planned:
            patcher.entering = True
        try:
            management.load_models_gpu([patcher], force_full_load=not planned)
        finally:
            if planned:
                patcher.entering = False


def runtime(owner: Any = None) -> Runtime:
    """The running ComfyUI as a `Runtime`; its progress bar also shows previews and raises when the user cancels.

    Args:
        owner: what runs, if it is registered; it stays where it is when it asks for memory.
    """
    bar = comfy.utils.ProgressBar(1)
    device = management.get_torch_device()
    patcher = getattr(owner, "patcher", None)
    kept = [] if patcher is None else [management.LoadedModel(patcher)]

    def progress(done: int, total: int, preview: Image | None) -> None:
        management.throw_exception_if_processing_interrupted()  # newer bars pass over most calls of a long run
        # No largest size: ComfyUI would stretch a smaller picture to it, and the page shows that size under the node.
        bar.update_absolute(done, total, None if preview is None else ("JPEG", preview, None))

    def free_memory(needed_bytes: int) -> None:
        management.free_memory(needed_bytes, device, keep_loaded=kept)

    def available_memory() -> float:
        """What is free, and what ComfyUI would send away when asked."""
        others = [
            other
            for other in management.current_loaded_models
            if other.device == device and other not in kept and other.model is not None
        ]
        return float(management.get_free_memory(device)) + sum(other.model_loaded_memory() for other in others)

    return Runtime(
        device=device,
        offload_device=offload_device(),
        progress=progress,
        stage=show_stage,
        check_cancel=management.throw_exception_if_processing_interrupted,
        free_memory=free_memory,
        available_memory=available_memory if device.type != "cpu" else None,
    )


def download_progress() -> Callable[[int, int], None]:
    """The running node's progress bar for (bytes done, bytes in all); raises when the user cancels."""
    report = runtime().progress
    return lambda done, total: report(done, total, None)


def running_node() -> str | None:
    """Id of the node that runs; None where nobody watches."""
    from comfy_execution.utils import get_executing_context
    from server import PromptServer

    context = get_executing_context()
    node: str | None = PromptServer.instance.last_node_id if context is None else context.node_id
    return node


def notify(message: str | None) -> None:
    """Show a warning in the log and on the running node, to whoever queued it; None takes an earlier one away."""
    from server import PromptServer

    node = running_node()
    if message:
        log.warning("DisMo: %s", message)
    if node is None or not (message or node in _notified):  # nobody watches, or there is nothing to take away
        return
    (_notified.add if message else _notified.discard)(node)
    server = PromptServer.instance
    server.send_progress_text(message or " ", node, server.client_id)  # the page ignores an empty text


def show_stage(label: str) -> None:
    """Show on the running node what it does now, until the next stage or a warning."""
    from server import PromptServer

    node, server = running_node(), PromptServer.instance
    if node is not None:
        _notified.add(node)
        server.send_progress_text(f"{label} ...", node, server.client_id)


@contextmanager
def training() -> Iterator[None]:
    """Gradients, which prompts run without; models of other nodes leave the device first."""
    management.unload_all_models()
    with torch.inference_mode(False), torch.enable_grad():
        yield


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; newer versions of ComfyUI know more of the ways in which devices say so."""
    known: Callable[[BaseException], bool] | None = getattr(management, "is_oom", None)
    return known(error) if known is not None else isinstance(error, management.OOM_EXCEPTION)


@contextmanager
def advising_on_memory(advice: str = OUT_OF_MEMORY) -> Iterator[None]:
    """Say what to change when memory runs out; the exception itself is ComfyUI's to handle."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            notify(advice)
        raise
    notify(None)
