"""Toy models, and real servers that tests can make fail: see `packs/faults`."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE.parent / folder) for folder in ("comfyui", "weights", "browser")
]  # server, toy_base; hub_server; comfy_page


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory):
    """A models folder with toy files of CogVideoX."""
    import toy_base

    folder = tmp_path_factory.mktemp("models")
    toy_base.make_toy(folder)
    return folder


@pytest.fixture(scope="session")
def toy_model(toy_files):
    """Function: memory setting -> the toy CogVideoX with an adapter that embeds the tiny extractor."""
    import torch
    import toy_base

    from dismo_core.cogvideox.base import load_base
    from dismo_core.dismo.adapter.load import load_video_model

    def make(memory="model offload"):
        base = load_base(toy_files / "diffusers" / toy_base.BASE, torch.float32)
        return load_video_model(
            toy_files / "dismo" / toy_base.ADAPTER, base, torch.device("cpu"), precision="fp32", memory=memory
        )

    return make


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Function: options of ComfyUI -> context manager of a server with toy files; skips where there is no ComfyUI."""
    if not os.environ.get("COMFYUI_DIR"):
        pytest.skip("COMFYUI_DIR is not set: no ComfyUI to test with")
    import toy_base
    from server import Server

    @contextlib.contextmanager
    def started(options=""):
        base = tmp_path_factory.mktemp("comfyui")
        toy_base.make_toy(base / "models")
        environment = os.environ | {"COMFYUI_OPTIONS": options, "HF_HUB_OFFLINE": "1"}
        with Server(HERE / "comfyui", base, environment) as server:
            yield server

    return started
