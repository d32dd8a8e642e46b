"""Ways to lie in memory: whole on the device, block by block, or layer by layer; the latter by diffusers and accelerate.

Every way leaves the host's copy of a weight alone: what comes back from the device is the tensor that was there before,
memory-mapped from its file if it was, and not a second copy. Weights that someone changed on the device are copied back.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..imports import importing
from .mmap_weights import is_plain

HOST = torch.device("cpu")


class Placement(Protocol):
    """How one module lies in memory while it is used."""

    def attach(self) -> None:
        """Make the module ready to run on the device."""
        ...

    def detach(self) -> None:
        """Bring everything back to the host and leave the module as it was; also after an error in the midst of it."""
        ...


def weights(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, each once."""
    return [*module.parameters(), *module.buffers()]


def nbytes(tensors: list[Tensor]) -> int:
    """Bytes of the tensors' memory; what shares memory counts once."""
    return sum({(t.device, t.data_ptr() or id(t)): t.nbytes for t in tensors}.values())


class Whole:
    """All of the module on the device."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module
        self.device = device
        self._held: list[tuple[Tensor, Tensor, int, int]] = []

    def attach(self) -> None:
        for tensor in filter(is_plain, weights(self.module)):
            host = tensor.data
            tensor.data = host.to(self.device)
            self._held.append((tensor, host, tensor.data_ptr(), tensor._version))
        self.module.to(self.device)  # what a quantisation library holds

    def detach(self) -> None:
        for tensor, host, pointer, version in self._held:
            if (tensor.data_ptr(), tensor._version) == (pointer, version):
                tensor.data = host
        self._held.clear()
        self.module.to(HOST)


class Blocks:
    """Block by block: the next comes to the device while one runs, on CUDA in a stream of its own.

    Args:
        module: whose direct children hold the list of blocks.
        pinned: whether page-locked copies are made on the host; faster, and as much memory again.
    """

    def __init__(self, module: nn.Module, device: torch.device, pinned: bool) -> None:
        self.module = module
        self.device = device
        self.pinned = pinned
        self._held: list[tuple[Tensor, Tensor, int]] = []

    def attach(self) -> None:
        with importing("diffusers"):
            from diffusers.hooks.group_offloading import apply_group_offloading

        for tensor in weights(self.module):
            if is_plain(tensor):
                self._held.append((tensor, tensor.data, tensor._version))
            elif (state := getattr(tensor, "quant_state", None)) is not None:
                state.to(self.device)  # bitsandbytes keeps its scales beside the tensor; they stay there
        try:
            apply_group_offloading(
                self.module,
                onload_device=self.device,
                offload_device=HOST,
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=self.device.type == "cuda",
                low_cpu_mem_usage=not self.pinned,
            )
        except AttributeError:  # diffusers before 0.41 fails where there is no accelerator, hence nothing to be moved
            if torch.accelerator.current_accelerator() is not None:
                raise

    def detach(self) -> None:
        with importing("diffusers"):
            from diffusers.hooks.hooks import HookRegistry

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # blocks may still be on their way
        registry: Any = HookRegistry.check_if_exists_or_initialize(self.module)
        for name in ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading"):
            registry.remove_hook(name, recurse=True)
        for tensor, host, version in self._held:
            if tensor._version == version:
                tensor.data = host
        self._held.clear()
        self.module.to(HOST)


class Layers:
    """Layer by layer: least memory, slowest."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module
        self.device = device
        self._held: list[tuple[dict[str, Any], str, Any]] = []

    def attach(self) -> None:
        with importing("accelerate"):
            from accelerate import cpu_offload

        # accelerate puts other Parameter objects in their place; optimizers and tied weights need these again
        for module in self.module.modules():
            for held in (module._parameters, module._buffers):
                self._held += [(held, name, tensor) for name, tensor in held.items() if tensor is not None]
        cpu_offload(self.module, self.device, offload_buffers=True)

    def detach(self) -> None:
        with importing("accelerate"):
            from accelerate.hooks import remove_hook_from_submodules

        remove_hook_from_submodules(self.module)
        for held, name, tensor in self._held:
            held[name] = tensor
        self._held.clear()
