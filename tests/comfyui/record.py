"""What `last_run.json` says: which ComfyUI ran which tests against which state of the node layer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("last_run.json")


def node_layer_hash() -> str:
    """sha256 over names and contents of `__init__.py`, `nodes/` and `workflows/`."""
    files = [ROOT / "__init__.py"]
    for folder in ("nodes", "workflows"):
        files += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(ROOT).as_posix(), path) for path in files):
        content = path.read_bytes()
        if path.suffix != ".jpg":
            content = content.replace(b"\r\n", b"\n")  # a checkout on Windows
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def tests_in_files() -> set[str]:
    """Names of the test functions that a whole run has."""
    sources = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    return {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}


def write(comfyui: dict[str, str], outcomes: dict[str, str]) -> None:
    """Write `last_run.json` for the files as they are now."""
    passed = all(outcome == "passed" for outcome in outcomes.values())
    result = {
        "comfyui": comfyui,
        "result": "passed" if passed else "failed",
        "hash": node_layer_hash(),
        "tests": outcomes,
    }
    FILE.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def complaint() -> str | None:
    """Why `last_run.json` does not vouch for the files as they are now; None when it does."""
    if not FILE.is_file():
        return "there is no last_run.json"
    run: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    missing = tests_in_files() - {name.split("[")[0] for name in run["tests"]}
    if run["result"] != "passed":
        return f"the last run {run['result']}"
    if missing:
        return f"the last run left out {', '.join(sorted(missing))}"
    if run["hash"] != node_layer_hash():
        return "__init__.py, nodes/ or workflows/ changed since the last run"
    return None
