"""The pack, imported as ComfyUI does: by file, under a path-like name."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest
from comfy_stub import installed
from schema_reader import ROOT

NAME = f"{ROOT}/custom_nodes/dismo-pack".replace(".", "_x_")


@pytest.fixture
def pack(tmp_path):
    """Function: submodule name -> module of the pack, with a stand-in for ComfyUI around it."""
    with installed(tmp_path):
        spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
        yield lambda name="": importlib.import_module(f"{NAME}.{name}") if name else module
        for name in [name for name in sys.modules if name.startswith(NAME)]:
            del sys.modules[name]
