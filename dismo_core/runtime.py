"""How ComfyUI, the command line or a script reaches into the core: device, progress, cancel, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


def _no_progress(done: int, total: int, preview: Image | None) -> None:
    pass


def _no_stage(label: str) -> None:
    pass


def _never_cancelled() -> None:
    pass


def _nothing_to_free(needed_bytes: int) -> None:
    pass


@dataclass
class Runtime:
    """What the surrounding program lends to a core function; no core function reads a global.

    Args:
        device: where the computation runs.
        offload_device: where weights wait while they are not used.
        progress: called as (done, total, preview picture or None); whatever it raises passes through unchanged.
        stage: called with what begins now, a few words in lower case such as "decoding the video"; progress counts within it.
        check_cancel: raises to stop; called between steps that report no progress of their own.
        free_memory: asks the surrounding program to free that many bytes on `device`.
        available_memory: bytes on `device` that can be had, with what the surrounding program would give back; None = what the
            device itself has free.
    """

    device: torch.device
    offload_device: torch.device
    progress: Callable[[int, int, Image | None], None] = _no_progress
    stage: Callable[[str], None] = _no_stage
    check_cancel: Callable[[], None] = _never_cancelled
    free_memory: Callable[[int], None] = _nothing_to_free
    available_memory: Callable[[], float] | None = None

    @classmethod
    def cpu(cls) -> Runtime:
        """A runtime on the CPU that reports nothing."""
        return cls.on("cpu")

    @classmethod
    def on(cls, device: str | torch.device) -> Runtime:
        """A runtime on `device` that keeps idle weights on the CPU and reports nothing."""
        import torch

        return cls(device=torch.device(device), offload_device=torch.device("cpu"))
