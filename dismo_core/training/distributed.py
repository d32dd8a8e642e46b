"""One process or many: torchrun starts them, each with its share of every batch; gradients are averaged by DistributedDataParallel."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from ..errors import DisMoError


@dataclass(frozen=True)
class World:
    """This process among those of a run.

    Args:
        rank, size: number of this process, and how many there are. device: where it computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """What training is to call: the model, with gradients averaged over all processes."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            model, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True
        )

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Numbers averaged over all processes, which must call this with the same names."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        total = total.to(self.device)
        dist.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def require_same(self, number: int, what: str) -> None:
        """Raise in every process unless all have the same number."""
        if self.size == 1:
            return
        mine = torch.tensor([number], device=self.device)
        found: list[Tensor] = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(found, mine)
        numbers = [int(value) for value in found]
        if len(set(numbers)) > 1:
            raise DisMoError(
                f"The processes disagree about {what}: {numbers}. All machines must see the same output folder; put it on a "
                "shared disk."
            )


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """The world that torchrun started this process in, or this process alone.

    Args:
        device: cpu, cuda, mps; under torchrun cuda is the GPU with the process's local number.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device=torch.device(device))
        return
    kind = torch.device(device).type
    here = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(here)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), here)
    finally:
        dist.destroy_process_group()
