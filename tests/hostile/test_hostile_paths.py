"""Names that users and strangers give cannot lead a file out of its folder; nothing runs, loads or calls what it should not."""

from __future__ import annotations

import ast
import importlib
import os
import re
from pathlib import Path

import pytest
import torch

import dismo_core as dismo
from dismo_core import DisMoError
from dismo_core.cli.methods import WEIGHTS
from dismo_core.files import atomic_write
from dismo_core.weights import registry

ROOT = Path(__file__).parents[2]
FRAMES = torch.zeros(5, 16, 16, 3, dtype=torch.uint8)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


LINKS = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@LINKS
def test_a_link_under_the_name_is_replaced_not_followed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious.mp4").write_text("mine")
    (tmp_path / "out" / "clip.mp4").symlink_to(tmp_path / "precious.mp4")
    with pytest.raises(DisMoError, match="exists already"):
        dismo.write_video(tmp_path / "out" / "clip.mp4", FRAMES, 8)
    dismo.write_video(tmp_path / "out" / "clip.mp4", FRAMES, 8, overwrite=True)
    assert (tmp_path / "precious.mp4").read_text() == "mine"
    assert (
        not (tmp_path / "out" / "clip.mp4").is_symlink()
        and len(dismo.read_video(tmp_path / "out" / "clip.mp4").frames) == 5
    )


@LINKS
def test_a_link_to_nowhere_is_a_name_that_is_taken(tmp_path):
    (tmp_path / "clip.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(DisMoError, match="exists already"):
        dismo.write_video(tmp_path / "clip.mp4", FRAMES, 8)
    assert files(tmp_path) == ["clip.mp4"]


NAMES = {
    "long": "x" * 300 + ".mp4",
    "long in bytes": "ü" * 200 + ".mp4",
    "a path too long": "/".join(["x" * 200] * 30) + ".mp4",
    "nul": "a\0b.mp4",
    "surrogate": "a\ud800.mp4",
    "reserved": "CON.mp4",
    "reserved with folders": "aux/NUL.mp4",
    "unicode": "größe 映画 🎬.mp4",
    "right to left": "a\u202e4pm.mp4",
    "newline": "a\nb.mp4",
    "leading dash": "-rf.mp4",
    "percent": "a%05d.mp4",
    "protocol": "http:x.mp4",
    "pipe": "pipe:1.mp4",
    "spaces": "  a  .mp4",
    "dots": "a...mp4",
}


REFUSED = {"long", "long in bytes", "a path too long", "nul", "surrogate", "reserved", "reserved with folders"}


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_written_inside_or_refused(tmp_path, name):
    out = tmp_path / "out"
    for write in (
        lambda path: dismo.write_video(path, FRAMES, 8),
        lambda path: dismo.Motion(torch.ones(1, 4), 8.0, "", "").save(path.with_suffix(".safetensors")),
    ):
        try:
            write(out / NAMES[name])
        except DisMoError:
            assert not files(tmp_path)
    inside = files(tmp_path)
    assert len(inside) == (0 if name in REFUSED else 2) and all(path.startswith("out") for path in inside)
    if inside:
        assert len(dismo.read_video(out / NAMES[name]).frames) == 5


def test_nothing_is_left_beside_the_file_when_writing_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a.bin") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert files(tmp_path) == []


# What the source itself says

SOURCES = sorted(
    path
    for part in ("dismo_core", "nodes", "__init__.py", "hubconf.py")
    for path in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
)
RUNS_CODE = {"eval", "exec", "compile", "__import__", "execfile"}
RUNS_PROGRAMS = {
    "subprocess",
    "pty",
    "pip",
    "ensurepip",
    "code",
    "codeop",
    "runpy",
    "ctypes",
    "cffi",
    "marshal",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
}
TALKS = {
    "socket",
    "urllib",
    "http",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "websocket",
    "sentry_sdk",
    "posthog",
    "wandb",
    "mlflow",
}
ALLOWED = {  # file -> what it may import or call, and why
    "dismo_core/demo_t2v/cli/generate.py": {"socket"},  # a free port of this machine, on which its own processes meet
    "dismo_core/training/loggers.py": {"wandb"},  # where the user asks for it with --logger wandb
}


def used(tree):
    """Modules imported and functions called by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in {
                ("os", "system"),
                ("os", "popen"),
                ("os", "fork"),
                ("pickle", "load"),
                ("pickle", "loads"),
            }:
                yield f"{node.value.id}.{node.attr}"
            if node.value.id == "os" and node.attr.startswith(("exec", "spawn", "posix_spawn")):
                yield f"os.{node.attr}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_runs_installs_or_calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT).as_posix()
    forbidden = RUNS_CODE | RUNS_PROGRAMS | TALKS
    found = {thing for thing in used(tree) if thing in forbidden or thing.startswith(("os.", "pickle."))}
    assert found <= ALLOWED.get(name, set()), f"{name}: {found}"
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("torch.load", "load")
            and "torch" in ast.unparse(node.func)
        ):
            assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), (
                f"{name}: {ast.unparse(node)}"
            )
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "shell"):
            pytest.fail(f"{name}: {node.arg}")


def test_the_only_hosts_in_the_source_are_the_hub_and_addresses_for_people():
    texts = [
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    hosts = {host for text in texts for host in re.findall(r"\b[a-z]+://(\w[\w.-]*)", text)}
    assert hosts <= {"huggingface.co"}, hosts
    for name in WEIGHTS:  # they register what can be downloaded
        importlib.import_module(f"dismo_core.{name}")
    assert {file.repo.count("/") for file in registry.RELEASED.values()} == {1}
