"""A ComfyUI server in a base directory of its own, driven over HTTP and websocket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import websocket

ROOT = Path(__file__).resolve().parents[2]
PACK = "dismo-pack"
FOLDERS = {  # in models, of the files that a loader names
    "CLIPLoader": "text_encoders",
    "CLIPVisionLoader": "clip_vision",
    "CheckpointLoaderSimple": "checkpoints",
    "DisMoLoadLayeredModel": "dismo",
    "DisMoLoadMotionDirector": "dismo/motiondirector",
    "LoadBackgroundRemovalModel": "background_removal",
    "ImageOnlyCheckpointLoader": "checkpoints",
    "UNETLoader": "diffusion_models",
    "VAELoader": "vae",
}
START_SECONDS, RUN_SECONDS = 180, 300
PREVIEW_IMAGE = 1  # binary websocket event


class Refused(RuntimeError):
    """A request that the server has refused, in its own words."""

    def __init__(self, path: str, status: int, text: str) -> None:
        super().__init__(f"{path}: {status} {text}")
        self.text = text

    @property
    def kinds(self) -> dict[str, str]:
        """Of a prompt: node id -> kind of the first error."""
        return {node: said["errors"][0]["type"] for node, said in json.loads(self.text)["node_errors"].items()}


@dataclass
class Run:
    """What the page would have seen of one prompt."""

    id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)

    def data(self, kind: str) -> list[dict[str, Any]]:
        """The data of all events of one kind."""
        return [event["data"] for event in self.events if event["type"] == kind]


class Server:
    """Context manager: a running server. `base` holds its custom_nodes, input, output, ..."""

    def __init__(self, comfyui: Path, base: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.comfyui, self.base, self.environment = comfyui, base, environment
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = base / "server.log"

    def __enter__(self) -> Server:
        (self.base / "custom_nodes").mkdir()
        (self.base / "custom_nodes" / PACK).symlink_to(ROOT, target_is_directory=True)
        (self.base / "custom_nodes/probe").symlink_to(Path(__file__).parent / "probe", target_is_directory=True)
        put_named_files(self.base / "models")
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--listen", "127.0.0.1"]
        command += ["--port", self.address.split(":")[1], "--base-directory", str(self.base), "--disable-api-nodes"]
        command += ["--disable-auto-launch", "--dont-print-server", "--database-url", "sqlite:///:memory:"]
        shim = [os.environ["COMFYUI_SHIM"]] if os.environ.get("COMFYUI_SHIM") else []
        paths = [*shim, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.comfyui,
                env={**self.environment, "PYTHONPATH": os.pathsep.join(paths)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"ComfyUI did not start:\n{self.log_text()[-3000:]}")
            time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.json("/system_stats"))
        return False

    def log_text(self) -> str:
        """All that the server has printed."""
        return self.log.read_text("utf-8", "replace")

    def description(self) -> dict[str, str]:
        """Version and commit of ComfyUI, Python and PyTorch."""
        system = self.json("/system_stats")["system"]
        return {
            "version": system["comfyui_version"],
            "commit": self._commit(),
            "python": system["python_version"].split()[0],
            "pytorch": system["pytorch_version"],
        }

    def _commit(self) -> str:
        """Of the checkout; COMFYUI_COMMIT says it for one that has no `.git`."""
        if (self.comfyui / ".git").exists():
            command = ["git", "-C", str(self.comfyui), "rev-parse", "HEAD"]
            return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
        return os.environ.get("COMFYUI_COMMIT") or "unknown"

    def get(self, path: str) -> bytes:
        """GET, raising on an HTTP error."""
        with urlopen(f"http://{self.address}{path}", timeout=60) as answer:
            return answer.read()

    def json(self, path: str) -> Any:
        """GET JSON."""
        return json.loads(self.get(path))

    def post(self, path: str, content: Any = None) -> Any:
        """POST JSON; the server's own words are in the error."""
        body = json.dumps(content or {}).encode()
        request = Request(f"http://{self.address}{path}", body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=60) as answer:
                text = answer.read()
        except HTTPError as error:
            raise Refused(path, error.code, error.read().decode()) from error
        return json.loads(text) if text else None

    def run(
        self, prompt: dict[str, Any], workflow: Any = None, watch: Callable[[dict[str, Any]], None] = lambda event: None
    ) -> Run:
        """Queue a prompt and follow it to its end; `watch` sees each event as it arrives."""
        client = uuid.uuid4().hex
        connection = websocket.create_connection(f"ws://{self.address}/ws?clientId={client}", timeout=RUN_SECONDS)
        with contextlib.closing(connection):
            extra = {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
            queued = self.post("/prompt", {"prompt": prompt, "client_id": client, "extra_data": extra})
            run = Run(queued["prompt_id"])
            ends = ("execution_success", "execution_error", "execution_interrupted")
            while not run.events or run.events[-1]["type"] not in ends:
                message = connection.recv()
                if isinstance(message, bytes):
                    if int.from_bytes(message[:4], "big") == PREVIEW_IMAGE:
                        run.previews.append(message[8:])
                    continue
                event = json.loads(message)
                if event["data"].get("prompt_id") == run.id:
                    run.events.append(event)
                    watch(event)
        while any(entry[1] == run.id for entry in self.json("/queue")["queue_running"]):
            time.sleep(0.02)  # what it holds is let go of after its last event
        return run


def put_named_files(models: Path) -> None:
    """Empty files under the names that the workflow files have in their loaders: so they stand in the lists, and none is missing."""
    for file in (ROOT / "workflows").glob("*.json"):
        for node in json.loads(file.read_text("utf-8"))["nodes"]:
            for name in node.get("widgets_values") or ():
                if node["type"] in FOLDERS and str(name).endswith(".safetensors"):
                    path = models / FOLDERS[node["type"]] / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
