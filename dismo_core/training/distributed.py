"""One process or many: torchrun starts them, each with its share of every batch. Weights are copied (DistributedDataParallel,
Li et al. 2020) or shared out (fully_shard, FSDP2: Zhao et al. 2023)."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from ..errors import DisMoError, first_line

PATIENCE = timedelta(hours=1)  # the others wait while the main process draws samples


@dataclass(frozen=True)
class World:
    """This process among those of a run.

    Args:
        rank: number of this process.
        size: how many processes there are.
        device: where it computes.
        sharded: weights, gradients and optimizer are shared out among the processes instead of copied to each.
        offload: what is shared out waits in main memory, where the optimizer works, too.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    sharded: bool = False
    offload: bool = False

    @property
    def main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wrap(self, model: nn.Module, *, partly: bool = False) -> nn.Module:
        """What training is to call: the model, with gradients averaged over all processes.

        Args:
            model: that is trained.
            partly: whether a loss may come about without some of its weights, so that every step looks for them.
        """
        if self.size == 1:
            return model
        if self.sharded:
            return self._shard(model)
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            model,
            device_ids=ids,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            find_unused_parameters=partly,
        )

    def _shard(self, model: nn.Module) -> nn.Module:
        """Share out the model in place; the layers of its stacks are gathered one by one when they compute."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard

        waits = CPUOffloadPolicy(pin_memory=self.device.type == "cuda") if self.offload else OffloadPolicy()
        mesh = init_device_mesh(self.device.type, (self.size,))
        within: set[nn.Module] = set()  # a layer that is shared out; stacks inside it go with it
        for stack in model.modules():
            if isinstance(stack, nn.ModuleList) and stack not in within:
                for layer in stack:
                    fully_shard(layer, mesh=mesh, reshard_after_forward=True, offload_policy=waits)
                    within.update(layer.modules())
        # scalars cannot be shared out, and need not be where they are not trained
        scalars = {p for p in model.parameters() if p.ndim == 0 and not p.requires_grad}
        left: dict[str, Any] = {"ignored_params": scalars} if scalars else {}
        # its weights may have been replaced by averages
        fully_shard(model, mesh=mesh, reshard_after_forward=True, offload_policy=waits, **left)
        return model

    def whole(self, tree: Any) -> Any:
        """A tree of dicts and lists, as a state dict is, with what is shared out put together on the CPU of the main process.

        All processes must call this; the others get None in place of what was shared out.
        """
        if isinstance(tree, Mapping):
            return {key: self.whole(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self.whole(value) for value in tree]
        if not is_sharded(tree):
            return tree
        full = tree.full_tensor()
        return full.cpu() if self.main else None

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Numbers averaged over all processes, which must call this with the same names."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        total = total.to(self.device)
        dist.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

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


def is_sharded(value: object) -> bool:
    """Whether a tensor is shared out among processes."""
    return hasattr(value, "full_tensor")


def shared_out(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a tensor that all have, as `like` is shared out; the tensor itself where that is not."""
    if not is_sharded(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    value = value.to(like.device)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


@contextlib.contextmanager
def joined(device: str, sharded: bool = False, offload: bool = False) -> Iterator[World]:
    """The world that torchrun started this process in, or this process alone.

    Args:
        device: cpu, cuda, mps; under torchrun cuda is the GPU with the process's local number.
        sharded: see `World`.
        offload: see `World`.

    Raises:
        DisMoError: the processes cannot meet, as where their port is taken.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device=torch.device(device))
        return
    kind = torch.device(device).type
    here = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(here)
    backend = "gloo" if kind != "cuda" else "cpu:gloo,cuda:nccl" if offload else "nccl"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except dist.DistNetworkError as error:
        where = ":".join(os.environ.get(name, "?") for name in ("MASTER_ADDR", "MASTER_PORT"))
        raise DisMoError(
            f"The processes cannot meet at {where} ({first_line(error)}). Another program may have that port.",
            hint="port",
        ) from error
    try:
        yield World(dist.get_rank(), dist.get_world_size(), here, sharded, offload)
    finally:
        dist.destroy_process_group()
        # Gloo's threads let go of Python objects a moment after a collective is done. One that does so while the interpreter
        # ends aborts the process: seen once, on a machine whose cores were all busy.
        gc.collect()
        time.sleep(0.1)
