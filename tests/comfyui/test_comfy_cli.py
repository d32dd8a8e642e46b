"""What ComfyUI's own command line says of the pack; offline, without a server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from record import ROOT
from schema_reader import OBJECT_INFO, saved_object_info

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


@pytest.fixture(scope="module")
def comfy():
    """Function: arguments -> finished process; skips where comfy-cli is not installed."""
    program = shutil.which("comfy", path=Path(sys.executable).parent) or shutil.which("comfy")
    if not program:
        pytest.skip("comfy-cli is not installed: pip install comfy-cli")

    def run(*arguments, folder=ROOT):
        command = [program, "--skip-prompt", "--no-enable-telemetry", *map(str, arguments)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)

    return run


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflow_validate(comfy, file, tmp_path):
    known = tmp_path / "object_info.json"
    known.write_text(json.dumps(saved_object_info()), "utf-8")
    done = comfy("--json", "workflow", "validate", "--workflow", file, "--input", known)
    result = json.loads(done.stdout)["data"]
    assert result["valid"] and result["converted_from_ui"]
    assert (result["errors"], result["warnings"]) == ([], [])


def test_workflow_validate_finds_a_wrong_value(comfy, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(WORKFLOWS[-1].read_text("utf-8").replace('"crop"', '"stretch"'), "utf-8")
    done = comfy("--json", "workflow", "validate", "--workflow", wrong, "--input", OBJECT_INFO)
    assert "stretch" in done.stdout and not json.loads(done.stdout)["ok"]


def test_node_validate_has_nothing_to_say(comfy):
    done = comfy("node", "validate")
    said = (done.stdout + done.stderr).lower()
    assert done.returncode == 0 and "passed" in said and "warning" not in said


def test_the_archive_is_a_whole_pack(comfy, tmp_path):
    """All that the registry hands out, and nothing of the tests."""
    clone = tmp_path / "pack"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, clone], check=True)
    assert comfy("node", "pack", folder=clone).returncode == 0
    names = zipfile.ZipFile(clone / "node.zip").namelist()
    for path in ("__init__.py", "requirements.txt", "pyproject.toml", "LICENSE", "web/docs/ExtractMotion.md"):
        assert path in names
    tracked = subprocess.run(["git", "ls-files"], cwd=clone, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for folder in ("dismo_core", "nodes", "workflows", "locales", "web"):
        assert {name for name in tracked if name.startswith(f"{folder}/")} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", ".github/", "docs/screens/"))]
