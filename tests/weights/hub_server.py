"""A local server that speaks the file endpoints of the Hugging Face hub, with the faults that networks have.

Large files (`.pt`, `.safetensors`) are redirected to another host name, as the hub does with its content servers; small
ones are sent at once. A process apart talks to it, because the client library reads HF_ENDPOINT when it is imported.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
import torch
from safetensors.torch import save

from dismo_core.cogvideox.weights import BASE
from dismo_core.weights import hub, registry
from dismo_core.weights.manifest import HubFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_" + "t" * 34


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(path: str) -> bool:
    return path.endswith((".pt", ".safetensors"))


def etag(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if is_large(path) else git_sha1(content)


def hub_file(path: str, content: bytes, repo: str = "someone/model") -> HubFile:
    """The entry of a manifest for a file with this content."""
    return HubFile(repo, path, len(content), etag(path, content), "licence of a test")


def toy_base():
    """The files of a base as the hub holds them, with tensors that are none of a model."""
    weights = {f"transformer/diffusion_pytorch_model-0000{i}-of-00002.safetensors": f"layer{i}" for i in (1, 2)}
    index = {"metadata": {}, "weight_map": {name: path.split("/")[1] for path, name in weights.items()}}
    files = {path: save({name: torch.zeros(8)}) for path, name in weights.items()}
    files |= {f"{part}/config.json": b"{}" for part in ("transformer", "vae", "text_encoder")}
    files |= {
        "model_index.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors.index.json": json.dumps(index).encode(),
        "vae/diffusion_pytorch_model.safetensors": save({"a": torch.zeros(3)}),
        "text_encoder/model.safetensors": save({"a": torch.zeros(3)}),
        "scheduler/scheduler_config.json": b"{}",
        "tokenizer/spiece.model": b"pieces",
    }
    return {f"{BASE.repo}/{path}": content for path, content in files.items()}


@dataclass
class Hub:
    """What the server offers, what it does wrong, what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)  # "owner/name/path" -> content
    sent: dict[str, bytes] = field(default_factory=dict)  # content that is sent instead
    refuse: int = 0  # HTTP status of every answer of the hub itself
    faults: list[tuple] = field(
        default_factory=list
    )  # of the next transfers: ("", 0), ("cut" | "stall", bytes), ("status", code)
    ranges: bool = True  # whether a part of a file can be asked for
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers in lower case
    endpoint: str = ""

    def transfers(self) -> list[dict[str, str]]:
        """Headers of the requests for the content of large files."""
        return [headers for method, path, headers in self.asked if method == "GET" and path.startswith("/cdn/")]

    def reset(self) -> None:
        fresh = Hub(endpoint=self.endpoint)
        self.__dict__.update(fresh.__dict__)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        with contextlib.suppress(ConnectionError):  # the client may leave
            self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
        if path.startswith("/cdn/"):
            return self.content(path.removeprefix("/cdn/"))
        if self.hub.refuse:
            return self.plain(self.hub.refuse)
        if path.startswith("/api/models/"):
            return self.listing(path.removeprefix("/api/models/"))
        owner, name, _, revision, *rest = path.strip("/").split("/")
        file = "/".join([owner, name, *rest])
        if file not in self.hub.files or revision not in ("main", COMMIT):
            return self.plain(404, {"X-Error-Code": "EntryNotFound"})
        content = self.hub.files[file]
        facts = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(file, content)}"'}
        if not is_large(file):
            return self.plain(200, facts, content)
        port = self.server.server_address[1]
        facts |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": facts.pop("ETag")}
        self.plain(302, facts | {"Location": f"http://localhost:{port}/cdn/{file}"})

    def listing(self, repo):
        own = {k.removeprefix(f"{repo}/"): v for k, v in self.hub.files.items() if k.startswith(f"{repo}/")}
        siblings = [
            {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
            | (
                {"lfs": {"sha256": etag(path, content), "size": len(content), "pointerSize": 134}}
                if is_large(path)
                else {}
            )
            for path, content in own.items()
        ]
        body = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode()
        self.plain(200 if own else 404, {"Content-Type": "application/json"}, body)

    def content(self, file):
        whole = self.hub.sent.get(file, self.hub.files[file])
        fault, amount = self.hub.faults.pop(0) if self.hub.faults else ("", 0)
        if fault == "status":
            return self.plain(amount)
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.hub.ranges else 0
        body = whole[start:]
        self.send_response(206 if asked and self.hub.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        if asked and self.hub.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        self.wfile.write(body[: amount or None])
        if fault == "stall":
            time.sleep(2 * STALL_TIMEOUT)
        if fault:
            self.close_connection = True

    def plain(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


STALL_TIMEOUT = 1  # seconds after which the client takes a silent connection for dead


@contextlib.contextmanager
def serving():
    """A running `Hub`."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    server.daemon_threads = True
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def environment(endpoint: str, home) -> dict[str, str]:
    """Variables for a process that takes `endpoint` for the hub."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and k != "TRANSFORMERS_OFFLINE"}
    return own | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DOWNLOAD_TIMEOUT": str(STALL_TIMEOUT),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@contextlib.contextmanager
def client(endpoint: str, home):
    """A process that takes `endpoint` for the hub; `run(function, *args)` calls there and gives what it returns or raises."""
    with pytest.MonkeyPatch.context() as patch:
        wanted = environment(endpoint, home)
        for name in os.environ.keys() - wanted.keys():
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield lambda function, *args: pool.submit(function, *args).result(timeout=600)


# What runs in the client's process


class Cancelled(Exception):
    pass


def fetch(file: HubFile, folder, cancel_at: int | None = None):
    """Path and progress reports of a download, which the user may cancel."""
    reports = []

    def progress(done, total):
        reports.append((done, total))
        if cancel_at is not None and done >= cancel_at:
            raise Cancelled(f"at {done}")

    return hub.fetch(file, folder, progress), reports


def require(name: str, file: HubFile, folder):
    """`hub.require` with a manifest that holds `file`."""
    registry.RELEASED[name] = file
    return hub.require(name, [folder], download=True)


def require_base(folder, without=()):
    reports = []
    place = hub.require_base(
        BASE, [folder], without=without, download=True, progress=lambda *report: reports.append(report)
    )
    return place, reports


def load_base(repo: str, folder):
    """Blocks of the transformer of a base given as hub id, with `folder` as the default folder."""
    from dismo_core.cogvideox.base import load_base

    os.environ["DISMO_WEIGHTS"] = str(folder)
    return load_base(repo, download=True).transformer.config.num_layers


def command(*words: str) -> int:
    """The exit code of `dismo WORDS`."""
    from dismo_core.cli.main import main

    return main([*words])
