"""What the ComfyUI registry is told and given."""

from __future__ import annotations

import re

import pytest
from PIL import Image
from schema_reader import ROOT

from dismo_core.dismo.weights import RELEASED

tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, COMFY = PYPROJECT["project"], PYPROJECT["tool"]["comfy"]
IGNORED = [line for line in (ROOT / ".comfyignore").read_text("utf-8").splitlines() if line and line[0] != "#"]


def test_what_the_registry_requires():
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"])
    assert "comfyui" not in PROJECT["name"].lower() and len(PROJECT["name"]) < 100
    assert (ROOT / PROJECT["license"]["file"]).is_file()
    assert PROJECT["urls"]["Repository"].startswith("https://") and COMFY["PublisherId"] and COMFY["DisplayName"]
    assert COMFY["requires-comfyui"] == ">=0.3.48"


@pytest.mark.parametrize("key", ["Icon", "Banner"])
def test_pictures_lie_in_the_repository(key):
    base, _, path = COMFY[key].partition("/raw/main/")
    assert base == PROJECT["urls"]["Repository"]
    with Image.open(ROOT / path) as picture:
        width, height = picture.size
    if key == "Icon":
        assert width == height <= 400
    else:
        assert width * 9 == height * 21


def test_models_are_those_of_the_manifest():
    assert {model["model_url"]: model["location"] for model in COMFY["Models"]} == {
        f"https://huggingface.co/{file.repo}/resolve/{file.revision}/{file.path}": f"/dismo/{file.path}"
        for file in RELEASED.values()
    }


def test_the_archive_has_what_the_pack_needs():
    assert sorted(COMFY["includes"]) == ["dismo_core", "locales", "nodes", "subgraphs", "web", "workflows"]
    assert not {pattern.split("/")[0] for pattern in IGNORED} & {*COMFY["includes"], "__init__.py", "requirements.txt"}
    assert {"tests/", "benchmarks/"} <= set(IGNORED)


def test_the_changelog_tells_of_this_version():
    assert f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
