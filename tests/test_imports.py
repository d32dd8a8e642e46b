"""Packages that do not import, in words."""

import ast
import sys
from pathlib import Path

import pytest

import dismo_core
from dismo_core import DisMoError
from dismo_core.imports import importing

HEAVY = {"diffusers", "transformers", "peft", "accelerate"}
SOURCES = sorted(Path(dismo_core.__file__).parent.rglob("*.py"))


def test_a_torchvision_for_another_torch_is_named():
    """What transformers raises then says nothing of it."""
    with pytest.raises(DisMoError, match=r"transformers .*operator torchvision::nms.*torch \d.*uninstall torchvision"):
        with importing("transformers"):
            try:
                raise RuntimeError("operator torchvision::nms does not exist")
            except RuntimeError as error:
                raise ModuleNotFoundError("Could not import module 'T5EncoderModel'.") from error


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_a_missing_package_is_named(monkeypatch, package):
    from dismo_core.cogvideox.sampling import make_scheduler
    from dismo_core.cogvideox.text_files import load_tokenizer

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DisMoError, match=f"{package} does not import here: .* requirements.txt"):
        make_scheduler({}) if package == "diffusers" else load_tokenizer(Path("nowhere"))


def test_other_errors_pass():
    with pytest.raises(KeyError), importing("diffusers"):
        raise KeyError


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_heavy_packages_are_imported_with_words(path):
    """Each import of theirs that runs stands in `with importing(...)`."""
    tree = ast.parse(path.read_text("utf-8"))
    with_words = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.With) and "importing" in ast.dump(block.items[0])
        for node in block.body
    }
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in block.body
    }
    for node in set(ast.walk(tree)) - with_words - for_types:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not HEAVY & {name.partition(".")[0] for name in names}, f"line {node.lineno}"
