"""A command in several processes, started here as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..errors import DisMoError

PORT = 6020  # at which machines meet


def is_one_of_several() -> bool:
    """Whether torchrun, or `run_in_processes`, has started this process."""
    from torch import distributed

    return distributed.is_torchelastic_launched()


def launched_processes() -> int:
    """How many processes of this job a launcher, torchrun or another, has started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def run_in_processes(
    words: Sequence[str],
    each: int,
    *,
    nodes: int = 1,
    rank: int = 0,
    address: str = "127.0.0.1",
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command of `dismo` in several processes and wait for them; `training.distributed.joined` is how each finds the others.

    Args:
        words: of the command.
        each: processes on this machine.
        nodes: machines, on each of which this is called.
        rank: number of this machine.
        address: of machine 0.
        environment: further variables of the processes.

    Raises:
        DisMoError: a process failed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    place = ["--standalone"]
    if nodes > 1:
        place = ["--nnodes", str(nodes), "--node-rank", str(rank), "--master-addr", address, "--master-port", str(PORT)]
    before = dict(os.environ)
    os.environ |= environment or {}
    try:
        main([*place, "--nproc-per-node", str(each), "-m", __package__.rpartition(".")[0], *words])
    except ChildFailedError as error:
        raise DisMoError("One of the processes failed; what it said stands above.") from error
    except SignalException as error:
        raise KeyboardInterrupt from error
    finally:
        os.environ.clear()
        os.environ |= before
