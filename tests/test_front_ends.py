"""Each front end says what to do in words of its own: the core's messages name no flag, no command, no node."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

from dismo_core.cli.hints import HINTS as COMMAND_LINE
from dismo_core.errors import PYTHON, DisMoError

ROOT = Path(__file__).resolve().parents[1]
CORE = [p for p in (ROOT / "dismo_core").rglob("*.py") if "cli" not in p.relative_to(ROOT).parts]
FOREIGN = re.compile(
    r"(^|[\s(`])--[a-z]|`dismo |\bdismo (weights|shards|extract)\b|[Ss]witch on|\bwidget|\b[Nn]ode\b|\bLoad [A-Z]"
)
ABOUT = {
    "source": "a.pt", "target": "a.safetensors", "name": "weights", "repo": "some/one", "frames": "9",
    "node": "Load X", "option": "--x", "function": "load_x",
}  # fmt: skip


def errors(path):
    """The calls that make an error, in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("DisMoError", "Unusable")
        ):
            yield node


def nodes_hints():
    """The nodes' table, read from the source: ComfyUI is not here."""
    tree = ast.parse((ROOT / "nodes/shared/hints.py").read_text("utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "HINTS"
    )


def used():
    """Every hint that the core gives."""
    found = {
        constant.value
        for path in CORE
        for call in errors(path)
        for word in call.keywords
        if word.arg == "hint"
        for constant in ast.walk(word.value)
        if isinstance(constant, ast.Constant)
    }
    assert len(found) > 8
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_messages_of_the_core_belong_to_no_front_end(path):
    for call in errors(path):
        for part in ast.walk(call):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                assert not FOREIGN.search(part.value), f"{path}:{part.lineno}: {part.value}"


def test_every_hint_is_used_and_can_be_said():
    tables = {"Python": PYTHON, "command line": COMMAND_LINE, "nodes": nodes_hints()}
    for name, table in tables.items():
        assert table.keys() <= used(), name
        for hint, sentence in table.items():
            assert sentence.format(**ABOUT).endswith("."), (name, hint)
    assert used() <= set().union(*tables.values())


def test_no_front_end_speaks_as_another():
    assert not any(re.search(r"--[a-z]|`dismo ", sentence) for sentence in PYTHON.values())
    assert not any(re.search(r"[a-z]=|\bnode\b", sentence) for sentence in COMMAND_LINE.values())
    assert not any(re.search(r"--[a-z]|`dismo |[a-z]=", sentence) for sentence in nodes_hints().values())


def test_an_error_says_what_whoever_catches_it_can_do():
    error = DisMoError("out.mp4 exists already.", hint="overwrite")
    assert str(error) == "out.mp4 exists already. Or allow overwriting: overwrite=True."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error.spoken(COMMAND_LINE)) == "out.mp4 exists already. Or replace it with --overwrite."
    assert str(error.spoken({})) == "out.mp4 exists already."
    assert str(DisMoError("Nothing more to say.")) == "Nothing more to say."
