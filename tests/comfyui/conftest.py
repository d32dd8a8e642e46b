"""Starts a real ComfyUI from COMFYUI_DIR once, and writes down how the tests went.

COMFYUI_DIR: a checkout. COMFYUI_PYTHON: the interpreter that has ComfyUI's requirements and this pack's (default: the
one that runs pytest). COMFYUI_SHIM: a folder to put first on PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from record import Record

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "nodes"), str(HERE.parent / "weights")]  # schema_reader, hub_server

RECORD = Record("tests/comfyui")


@pytest.fixture(scope="session")
def hub():
    """What ComfyUI takes for the Hugging Face hub; it offers nothing until a test puts files there."""
    import hub_server

    with hub_server.serving() as running:
        yield running


@pytest.fixture(scope="session")
def server(hub, tmp_path_factory):
    """A running server with the pack; skips where there is no ComfyUI."""
    import hub_server

    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        pytest.skip("COMFYUI_DIR is not set: no ComfyUI to test with")
    from server import Server

    base = tmp_path_factory.mktemp("comfyui")
    with Server(Path(folder), base, hub_server.environment(hub.endpoint, base / "hub")) as running:
        RECORD.comfyui = running.description()
        yield running


@pytest.fixture(scope="session")
def toy(server):
    """Toy files of CogVideoX in the server's models folder."""
    import toy_base

    toy_base.make_toy(server.base / "models")


def pytest_runtest_logreport(report):
    """Collect outcomes of the tests in this folder."""
    RECORD.add(report)


def pytest_sessionfinish():
    """Write down the run, if a server ran."""
    RECORD.write()
