"""Commands in several processes: what a failure and a stop look like."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from torch.distributed.elastic.multiprocessing.api import SignalException

from dismo_core import DisMoError
from dismo_core.cli.processes import run_in_processes


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_a_process_that_fails_is_one_clear_error_and_leaves_no_variables(capfd):
    before = dict(os.environ)
    with pytest.raises(DisMoError, match="One of the processes failed; what it said stands above"):
        run_in_processes(["no-such-command"], 2, environment={"SOME": "1"})
    assert "no-such-command" in capfd.readouterr().err
    assert dict(os.environ) == before


def test_a_stop_is_that_of_the_command_line(monkeypatch):
    def stopped(words):
        raise SignalException("stopped", signal.SIGINT)

    monkeypatch.setattr("torch.distributed.run.main", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_in_processes(["weights"], 2)


def test_one_machine_needs_no_address_and_several_have_one(monkeypatch):
    called = []
    monkeypatch.setattr("torch.distributed.run.main", called.append)
    run_in_processes(["weights"], 2)
    run_in_processes(["weights"], 4, nodes=3, rank=1, address="first")
    assert called[0] == ["--standalone", "--nproc-per-node", "2", "-m", "dismo_core", "weights"]
    for pair in (["--nnodes", "3"], ["--node-rank", "1"], ["--master-addr", "first"], ["--nproc-per-node", "4"]):
        assert called[1][called[1].index(pair[0]) + 1] == pair[1]
