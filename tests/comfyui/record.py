"""What the `last_run*.json` of a folder say: which ComfyUI ran which tests against which state of the node layer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("0.3.48", "0.3.64", "0.21.0")  # of ComfyUI, whose runs CI asks for, oldest first
RUNS = (
    *(("tests/comfyui", version) for version in VERSIONS),
    *(("tests/browser", version) for version in VERSIONS[1:]),
)
PLAIN = "0.3.64"  # the version whose runs are in `last_run.json`; those of others carry their version in the name
LACKS = "this ComfyUI has no "


def lacks(what: str) -> str:
    """The reason for which a test may be skipped on an older version."""
    return LACKS + what


def node_layer_hash() -> str:
    """sha256 over names and contents of `__init__.py`, `nodes/`, `subgraphs/` and `workflows/`, without the thumbnails."""
    files = [ROOT / "__init__.py"]
    for folder in ("nodes", "subgraphs", "workflows"):
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".json")]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(ROOT).as_posix(), path) for path in files):
        content = path.read_bytes().replace(b"\r\n", b"\n")  # a checkout on Windows
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class Record:
    """The outcomes of the tests in one folder; of one version of ComfyUI where a file is read."""

    def __init__(self, folder: str, version: str = PLAIN) -> None:
        self.folder, self.version = folder, version
        self.comfyui: dict[str, str] = {}  # filled when a server has run
        self.outcomes: dict[str, str] = {}

    @property
    def file(self) -> Path:
        """Where a run of this version is written down."""
        name = "last_run" if self.version == PLAIN else f"last_run_{self.version}"
        return ROOT / self.folder / f"{name}.json"

    def add(self, report: Any) -> None:
        """Note the outcome of a test, from pytest's report; of a skipped one, why."""
        path, _, name = report.nodeid.partition("::")
        if path.startswith(f"{self.folder}/") and (report.when == "call" or report.outcome != "passed"):
            reason = f": {report.longrepr[2].removeprefix('Skipped: ')}" if report.outcome == "skipped" else ""
            self.outcomes[name] = report.outcome + reason

    def write(self) -> None:
        """Write down the run for the files as they are now, if a server has run."""
        if self.comfyui:
            self.version = self.comfyui["version"]
            passed = all(map(self._is_well, self.outcomes.values()))
            run = {"comfyui": self.comfyui, "result": "passed" if passed else "failed", "hash": node_layer_hash()}
            self.file.write_text(json.dumps(run | {"tests": self.outcomes}, indent=2) + "\n", "utf-8")

    def complaint(self) -> str | None:
        """Why the file does not vouch for the files as they are now; None when it does."""
        if not self.file.is_file():
            return f"there is no {self.file.name}"
        run: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        missing = self._tests_in_files() - {name.split("[")[0] for name in run["tests"]}
        if run["comfyui"]["version"] != self.version:
            return f"{self.file.name} is of ComfyUI {run['comfyui']['version']}"
        if run["result"] != "passed" or not all(map(self._is_well, run["tests"].values())):
            return f"the last run {run['result']}"
        if missing:
            return f"the last run left out {', '.join(sorted(missing))}"
        if run["hash"] != node_layer_hash():
            return "__init__.py, nodes/, subgraphs/ or workflows/ changed since the last run"
        return None

    def _is_well(self, outcome: str) -> bool:
        """Passed; or, but for the newest version, skipped because this ComfyUI lacks what is tested."""
        return outcome == "passed" or (self.version != VERSIONS[-1] and outcome.startswith(f"skipped: {LACKS}"))

    def _tests_in_files(self) -> set[str]:
        """Names of the test functions that a whole run has."""
        sources = [path.read_text("utf-8") for path in (ROOT / self.folder).glob("test_*.py")]
        return {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
