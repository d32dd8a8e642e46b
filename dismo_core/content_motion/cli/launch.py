"""Several processes of a training, started here as the published scripts start them."""

from __future__ import annotations

import argparse
import os

from ...errors import DisMoError

PORT = 6020  # as published


def launched(arguments: argparse.Namespace) -> bool:
    """Start as many processes as are asked for and wait for them; False where this one is to train by itself.

    Raises:
        DisMoError: numbers that cannot be, or a process that failed.
    """
    nodes, each, rank = arguments.nnodes, arguments.nproc_per_node, arguments.node_rank
    if nodes < 1 or each < 1 or not 0 <= rank < nodes:
        raise DisMoError(
            f"--nnodes and --nproc-per-node must be at least 1 and --node-rank below --nnodes, not {nodes}, {each} and {rank}."
        )
    if "WORLD_SIZE" in os.environ or nodes * each == 1:
        return False
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main(
            [
                *("--nnodes", str(nodes), "--nproc-per-node", str(each), "--node-rank", str(rank)),
                *("--master-addr", arguments.master_addr, "--master-port", str(PORT)),
                *("-m", f"{__package__.split('.content_motion')[0]}", *arguments.words),
            ]
        )
    except ChildFailedError as error:
        raise DisMoError("A process of the training failed; what it said stands above.") from error
    return True
