"""A client with a websocket, as an open page of ComfyUI is one."""

from __future__ import annotations

import json
import uuid

import websocket

PATIENCE = 600  # seconds without a word from the server
ENDS = ("execution_success", "execution_error", "execution_interrupted")


class Page:
    """Queues prompts, and remembers which and how they ended."""

    def __init__(self, server):
        self.id, self.server = uuid.uuid4().hex, server
        self.socket = websocket.create_connection(f"ws://{server.address}/ws?clientId={self.id}", timeout=PATIENCE)
        self.queued: list[str] = []
        self.ended: list[tuple[str, str]] = []  # prompt, how

    def queue(self, prompt):
        answer = self.server.post("/prompt", {"prompt": prompt, "client_id": self.id})
        self.queued.append(answer["prompt_id"])
        return answer["prompt_id"]

    def follow(self, note):
        """Listen until all that was queued here has ended."""
        while len(self.ended) < len(self.queued):
            message = self.socket.recv()
            if isinstance(message, str):
                event = json.loads(message)
                if event["type"] in ENDS:
                    self.ended.append((event["data"]["prompt_id"], event["type"]))
                    note()
