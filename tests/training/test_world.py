"""Processes that cannot meet (dismo_core/training/distributed.py)."""

import socket

import pytest

from dismo_core.cli.hints import HINTS as COMMAND_LINE
from dismo_core.errors import DisMoError
from dismo_core.training.distributed import joined


def test_a_port_that_is_taken_is_named(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(DisMoError, match=f"cannot meet at 127.0.0.1:{port}.*MASTER_PORT") as found, joined("cpu"):
            pass
        assert "--standalone" in str(found.value.spoken(COMMAND_LINE))
