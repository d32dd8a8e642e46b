"""Importing the pack is cheap, and works from any folder name."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

import pytest
from schema_reader import ROOT, read_schemas

HOST = ("comfy", "folder_paths")
IMPORT_ALONE = """
import importlib.util, sys
name = "/somewhere/custom_x_nodes/dismo-pack"
spec = importlib.util.spec_from_file_location(name, sys.argv[1] + "/__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
assert module.WEB_DIRECTORY == "./web" and callable(module.comfy_entrypoint)
assert not hasattr(module, "NODE_CLASS_MAPPINGS")
print(sorted(set(sys.modules) & {"torch", "numpy", "PIL", "av", "diffusers", "transformers", "peft", "torchcodec"}))
"""


def test_import_loads_no_heavy_library():
    done = subprocess.run([sys.executable, "-c", IMPORT_ALONE, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_entrypoint_gives_every_node(pack):
    extension = asyncio.run(pack().comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    schemas = [node.define_schema() for node in nodes]
    assert sorted(schema.node_id for schema in schemas) == sorted(read_schemas())


def test_the_pack_changes_nothing_of_its_host(pack):
    """No function of ComfyUI is replaced, no logging set up."""

    def state():
        modules = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith(HOST)}
        loggers = [logging.getLogger(), logging.getLogger("dismo")]
        return modules, [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers]

    before = state()
    for node in asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list()):
        node.define_schema()
    assert state() == before


NODE_LIST = """
import asyncio, gc, importlib.util, pathlib, sys, tempfile, time
root = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(root / "tests/nodes"))
import av, numpy, PIL.Image, torch  # as ComfyUI has
import comfy_stub
with comfy_stub.installed(pathlib.Path(tempfile.mkdtemp())):
    gc.collect()
    gc.freeze()  # what PyTorch keeps is not the pack's to collect
    begin = time.process_time()
    spec = importlib.util.spec_from_file_location("pack", root / "__init__.py")
    sys.modules["pack"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for node in asyncio.run(asyncio.run(module.comfy_entrypoint()).get_node_list()):
        node.define_schema()
    print(time.process_time() - begin)
"""


def test_the_node_list_takes_no_time(tmp_path):
    """Under 0.1 s of processor time beyond what ComfyUI has loaded."""
    command = [sys.executable, "-c", NODE_LIST, str(ROOT)]
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    seconds = [
        float(subprocess.run(command, capture_output=True, check=True, env=os.environ | compiled).stdout)
        for _ in range(2)
    ]
    assert seconds[1] < 0.1, "the first run may compile"


def test_requirements_are_the_dependencies_without_torch():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    expected = [line for line in project["dependencies"] if not line.startswith("torch")]
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == expected
    assert all(">=" in line and not any(sign in line for sign in ("<", "==", "~=", ",")) for line in expected)
