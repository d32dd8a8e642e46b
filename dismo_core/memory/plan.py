"""Where a large model lies in memory. `MemoryPlan` alone moves its parts; everybody else asks it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import DisMoError
from .choices import MEMORY
from .mmap_weights import is_mmapped, is_plain, spill
from .placement import Blocks, Layers, Placement, Whole, nbytes, weights

if TYPE_CHECKING:
    from ..runtime import Runtime

log = logging.getLogger(__name__)

USABLE = 0.9  # of the free memory; the rest is lost between the pieces
BLOCKS_ON_DEVICE = 3  # one that runs, one that comes, one that goes


@dataclass(frozen=True)
class Part:
    """One part of a model.

    Args:
        module: its weights.
        streamed: the module, itself or below, whose direct children hold its list of blocks and which has all of its
            weights; None = it is small, and lies on the device whole while it is used.
        workspace: bytes it needs beside its weights; an estimate.
        low_memory_workspace: the same where it computes in smaller pieces (guidance halves one after the other, VAE tiles);
            None = it cannot.
        repeated: whether it runs many times, so that page-locked copies of its weights are worth their making.
    """

    module: nn.Module
    streamed: nn.Module | None = None
    workspace: int = 0
    low_memory_workspace: int | None = None
    repeated: bool = False

    def work(self, low_memory: bool) -> int:
        """Bytes it needs beside its weights, whole or, where it can, in smaller pieces."""
        return self.low_memory_workspace if low_memory and self.low_memory_workspace is not None else self.workspace


@dataclass(frozen=True)
class Choice:
    """What a plan settled on.

    Args:
        memory: one of `MEMORY`, not auto.
        low_memory: parts that are to compute in smaller pieces: "transformer" the guidance halves in turn, "vae" tiles.
        bytes_needed: device memory needed at most, weights and work; an estimate.
    """

    memory: str
    low_memory: frozenset[str]
    bytes_needed: int


class MemoryPlan:
    """Brings the parts of a model to the device when they are used, and back.

    | memory | on the device |
    | --- | --- |
    | full | everything, from `load` to `release` |
    | model offload | one part at a time, whole |
    | group offload | one part at a time, the large ones block by block |
    | sequential | one part at a time, the large ones layer by layer |
    | disk | as group offload; on the host the weights stay in files, for machines with 16 GB of memory |
    | auto | the first that fits of full, model offload, group offload (disk if the host is short), sequential |

    All give the same numbers. Use a part only inside `using`, and let nobody else move it. Change weights after
    `release`; training in place also under full and model offload. A plan may be used inside `torch.inference_mode`:
    no weight becomes one that could not be trained later.

    Args:
        parts: name -> part.
        device: where they run.
        memory: see the table.
        low_memory: whether parts compute in smaller pieces, where they can; None = those that would not fit otherwise.
        folder: where `disk` writes weights that lie in no file yet; None = the system's folder of temporary files.

    Attributes:
        available: bytes of the device that can be had beside those of the plan; None = what the device has free.

    Raises:
        DisMoError: no such choice.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        device: str | torch.device,
        memory: str = "auto",
        low_memory: bool | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if memory not in MEMORY:
            raise DisMoError(f"There is no memory setting {memory!r}. Choose one of {', '.join(MEMORY)}.")
        self.parts = dict(parts)
        self.device = torch.device(device)
        self.memory = memory
        self._low_memory = low_memory
        self._folder = folder
        self._files: Path | None = None
        self._choice: Choice | None = None
        self._attached: dict[str, Placement] = {}
        self.available: Callable[[], float] | None = None

    @property
    def choice(self) -> Choice:
        """What is in force; settled, and logged, when it is first asked for after a `release`."""
        if self._choice is None:
            self._choice = self._settle()
        return self._choice

    def load(self) -> None:
        """Bring to the device what stays there: every part under `full`, none otherwise."""
        if self.choice.memory == "full":
            for name in self.parts:
                self._attach(name)

    @contextmanager
    def using(self, part: str) -> Iterator[Any]:
        """The part's module, ready to run on the device. Inside another use of the same part it stays for that one.

        After an error or an interrupt in the body nothing is left on the device.
        """
        inside = part in self._attached
        try:
            self._attach(part)
            yield self.parts[part].module
        except BaseException:
            self.release()
            raise
        if not inside and self.choice.memory != "full" and not self._streams(part):
            self._detach(part)

    def make_room(self, runtime: Runtime) -> None:
        """Before a large part comes: settle for what the surrounding program can spare, and ask it for as much as is needed."""
        self.available = runtime.available_memory
        runtime.free_memory(max(0, self.choice.bytes_needed - self.bytes_on_device()))

    def release(self) -> None:
        """Bring everything back to the host and free the device. The plan can be used again."""
        for name in list(self._attached):
            self._detach(name)
        self._choice = None

    def bytes_of_weights(self) -> int:
        """Bytes of the weights of all parts, wherever they lie."""
        return nbytes([tensor for part in self.parts.values() for tensor in weights(part.module)])

    def bytes_on_device(self) -> int:
        """Bytes of weights that the plan now holds on the device."""
        held = [tensor for name in self._attached for tensor in weights(self.parts[name].module)]
        return nbytes([tensor for tensor in held if _is_on(tensor.device, self.device)])

    @torch.inference_mode(False)
    def _attach(self, name: str) -> None:
        if name not in self._attached:
            self._attached[name] = placement = self._placement(name)
            placement.attach()

    def _placement(self, name: str) -> Placement:
        part, memory = self.parts[name], self.choice.memory
        if not self._streams(name):
            return Whole(part.module, self.device)
        if memory == "sequential":
            if not all(map(is_plain, weights(part.module))):
                raise DisMoError(
                    f"Memory 'sequential' cannot take quantised weights, which the {name} has. Choose another memory "
                    "setting (with int8 or nf4 'group offload' needs little), or another precision."
                )
            return Layers(part.module, self.device)
        if memory == "disk" and not all(map(is_mmapped, weights(part.module))):
            spill(part.module, self._spill_folder())
        roomy = memory == "group offload" and part.repeated and free_host_bytes() > 2 * nbytes(weights(part.module))
        return Blocks(part.streamed or part.module, self.device, pinned=roomy)

    @torch.inference_mode(False)
    def _detach(self, name: str) -> None:
        self._attached.pop(name).detach()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()

    def _streams(self, name: str) -> bool:
        """Whether a part is only ever partly on the device."""
        return self.choice.memory in ("group offload", "sequential", "disk") and self.parts[name].streamed is not None

    def _settle(self) -> Choice:
        available = free_bytes(self.device) if self.available is None else self.available()
        free = USABLE * (available + self.bytes_on_device())
        tiers = MEMORY[1:5] if self.memory == "auto" else (self.memory,)
        for memory in tiers:
            low_memory = frozenset(
                name
                for name, part in self.parts.items()
                if part.work(True) < part.work(False)
                and (self._needed(name, memory) > free if self._low_memory is None else self._low_memory)
            )
            needed = max(self._needed(name, memory, name in low_memory) for name in self.parts)
            if needed <= free:
                break
        if self.memory == "auto" and memory == "group offload":
            if max(nbytes(weights(part.module)) for part in self.parts.values()) > free_host_bytes():
                memory = "disk"
        log.info(
            "Memory: %s%s%s. It needs about %.1f GB at most%s.",
            memory,
            ", picked from free memory" if self.memory == "auto" else "",
            f", in smaller pieces: {', '.join(sorted(low_memory))}" if low_memory else "",
            needed / 1e9,
            "" if free == float("inf") else f"; {self.device} has {free / 1e9:.1f} GB to use",
        )
        if needed > free:
            log.warning("Memory: %s may not fit. Close other programs, or make a shorter video.", memory)
        return Choice(memory, low_memory, needed)

    def _needed(self, name: str, memory: str, low_memory: bool = False) -> int:
        """Bytes on the device while a part runs."""
        part = self.parts[name]
        work = part.work(low_memory)
        if memory == "full":
            return work + nbytes([tensor for other in self.parts.values() for tensor in weights(other.module)])
        whole = nbytes(weights(part.module))
        if memory == "model offload" or part.streamed is None:
            return work + whole
        if memory == "sequential":
            return work + max(nbytes([*m.parameters(False), *m.buffers(False)]) for m in part.module.modules())
        lists = [child for child in part.streamed.children() if isinstance(child, nn.ModuleList)]
        sizes = [nbytes(weights(block)) for blocks in lists for block in blocks]
        return work + whole - sum(sizes) + BLOCKS_ON_DEVICE * max(sizes)

    def _spill_folder(self) -> Path:
        if self._files is None:
            self._files = Path(tempfile.mkdtemp(prefix="dismo-", dir=self._folder))
            weakref.finalize(self, shutil.rmtree, self._files, ignore_errors=True)
        return self._files


def free_bytes(device: torch.device) -> float:
    """Device memory that a program can still take; infinite on the host, which nothing is brought away from."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + unused)
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return float("inf")


def free_host_bytes() -> int:
    """Host memory that can still be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def _is_on(device: torch.device, wanted: torch.device) -> bool:
    return device.type == wanted.type and (wanted.index is None or device.index == wanted.index)
