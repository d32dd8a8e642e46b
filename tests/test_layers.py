"""The layers of the library, read off its imports: arrows go one way, shared ground knows no method (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from layers import BASES, CORE, METHODS, ROOT, ROWS, SHARED


def rank(room: str) -> int:
    return next(number for number, row in enumerate(ROWS) if room in row)


def room_of(file: Path) -> str:
    """The room of a file; a method's command line stands on the rank of `cli`."""
    parts = file.relative_to(CORE).with_suffix("").parts
    if parts[0] in METHODS and len(parts) > 1 and parts[1] == "cli":
        return "cli"
    return parts[0]


def imports(file: Path) -> list[tuple[int, str]]:
    """(line, dotted name below `dismo_core`) of each import of this library in a file of it, also those inside functions."""
    package = file.relative_to(CORE).parent.parts
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            place = (*base, *(node.module.split(".") if node.module else ()))
            found += [(node.lineno, ".".join((*place, alias.name))) for alias in node.names]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] in ("dismo_core", "nodes", "comfy", "comfy_api") for name in names), (
                f"{file}:{node.lineno}: inside the pack imports are relative, and the library knows no ComfyUI"
            )
    return found


def target_room(name: str) -> str:
    parts = name.split(".")
    if parts[0] in METHODS and len(parts) > 1 and parts[1] == "cli":
        return "cli"
    is_room = (CORE / parts[0]).is_dir() or (CORE / f"{parts[0]}.py").is_file()
    return parts[0] if is_room else "__init__"  # a name of the package itself, such as __version__


FILES = sorted(CORE.rglob("*.py"))


def test_every_folder_and_file_has_its_row():
    rooms = {room_of(file) for file in FILES}
    assert rooms == {room for row in ROWS for room in row if (CORE / room).is_dir() or (CORE / f"{room}.py").is_file()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CORE).as_posix())
def test_arrows_go_one_way(file):
    here = room_of(file)
    if here == "__init__":
        return  # the public names, each loaded when it is asked for
    for line, name in imports(file):
        there = target_room(name)
        assert there == here or rank(there) < rank(here), f"{file}:{line}: {here} imports {there} ({name})"


def test_shared_ground_names_no_method_and_no_base():
    """Not even in a string, as for a lazy import; the one table of commands stands in `cli/methods.py`."""
    for file in FILES:
        if room_of(file) not in SHARED | {"cli"} or file.name == "methods.py" or "dismo/cli" in file.as_posix():
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not any(f".{room}." in node.value for room in METHODS | BASES), f"{file}: {node.value}"


def test_no_shared_room_is_large():
    for room in sorted(SHARED):
        files = list((CORE / room).rglob("*.py")) if (CORE / room).is_dir() else []
        lines = sum(len(file.read_text("utf-8").splitlines()) for file in files)
        assert lines <= 2500, f"{room} has {lines} lines"


def test_nodes_are_imported_by_nothing_and_methods_share_through_shared():
    nodes = ROOT / "nodes"
    for file in sorted(nodes.rglob("*.py")):
        parts = file.relative_to(nodes).parts
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.ImportFrom) and node.level and node.level <= len(parts)):
                continue
            base = parts[: len(parts) - node.level]
            place = (*base, *(node.module.split(".") if node.module else ()), "")
            if parts[0] == "shared":
                assert place[0] == "shared", f"{file}:{node.lineno}: shared nodes know no method"
            elif len(parts) > 1:
                assert place[0] in ("shared", parts[0]), f"{file}:{node.lineno}: {parts[0]} imports {place[0]}"
