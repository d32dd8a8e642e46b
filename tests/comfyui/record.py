"""What a folder's `last_run.json` says: which ComfyUI ran which tests against which state of the node layer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tests/comfyui", "tests/browser")
VERSION = "0.3.64"  # of ComfyUI, whose runs CI asks for; runs on others are kept beside them


def node_layer_hash() -> str:
    """sha256 over names and contents of `__init__.py`, `nodes/` and `workflows/`, without the thumbnails."""
    files = [ROOT / "__init__.py"]
    for folder in ("nodes", "workflows"):
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".json")]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(ROOT).as_posix(), path) for path in files):
        content = path.read_bytes().replace(b"\r\n", b"\n")  # a checkout on Windows
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class Record:
    """The outcomes of the tests in one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.file = ROOT / folder / "last_run.json"
        self.comfyui: dict[str, str] = {}  # filled when a server has run
        self.outcomes: dict[str, str] = {}

    def add(self, report: Any) -> None:
        """Note the outcome of a test, from pytest's report."""
        path, _, name = report.nodeid.partition("::")
        if path.startswith(f"{self.folder}/") and (report.when == "call" or report.outcome != "passed"):
            self.outcomes[name] = report.outcome

    def write(self) -> None:
        """Write down the run for the files as they are now, if a server has run."""
        if self.comfyui:
            passed = all(outcome == "passed" for outcome in self.outcomes.values())
            version = self.comfyui["version"]
            file = self.file if version == VERSION else self.file.with_stem(f"last_run_{version}")
            run = {"comfyui": self.comfyui, "result": "passed" if passed else "failed", "hash": node_layer_hash()}
            file.write_text(json.dumps(run | {"tests": self.outcomes}, indent=2) + "\n", "utf-8")

    def complaint(self) -> str | None:
        """Why `last_run.json` does not vouch for the files as they are now; None when it does."""
        if not self.file.is_file():
            return "there is no last_run.json"
        run: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        missing = self._tests_in_files() - {name.split("[")[0] for name in run["tests"]}
        if run["result"] != "passed":
            return f"the last run {run['result']}"
        if missing:
            return f"the last run left out {', '.join(sorted(missing))}"
        if run["hash"] != node_layer_hash():
            return "__init__.py, nodes/ or workflows/ changed since the last run"
        return None

    def _tests_in_files(self) -> set[str]:
        """Names of the test functions that a whole run has."""
        sources = [path.read_text("utf-8") for path in (ROOT / self.folder).glob("test_*.py")]
        return {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
