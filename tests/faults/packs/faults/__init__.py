"""A ComfyUI pack for the tests alone: makes the running prompt fail at a chosen stage, and counts how far it gets then.

POST /dismo_fault {"stage": ..., "fault": ..., "at": n}: the fault comes when the n-th unit of the stage begins.
GET /dismo_fault: whether it has come, and how many units of any stage began afterwards.
"""

from __future__ import annotations

import functools
import sys

import comfy.model_management
import torch
from aiohttp import web
from server import PromptServer

UNITS = {  # class of a module -> stage whose unit of work one call of it is
    "FrameEncoder": "extract",
    "GeneratorTransformer": "generate",
    "T5Block": "text",
    "CogVideoXEncoder3D": "encode",
    "CogVideoXBlock": "denoise",
    "CogVideoXDecoder3D": "decode",
}


class Armed:
    """What is to happen, and what has."""

    def __init__(self, stage: str = "", fault: str = "", at: int = 1) -> None:
        self.stage, self.fault, self.left = stage, fault, at
        self.come, self.after = False, 0

    def unit(self, stage: str) -> None:
        """A unit of a stage begins."""
        if self.come:
            self.after += 1
        elif stage == self.stage:
            self.left -= 1
            if self.left == 0:
                self.come = True
                self.happen()

    def happen(self) -> None:
        if self.fault == "interrupt":  # what POST /interrupt does
            comfy.model_management.interrupt_current_processing()
        elif self.fault == "out of memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        elif self.fault == "out of main memory":
            raise MemoryError("Unable to allocate 20.00 GiB.")


armed = Armed()


def before_module(module: torch.nn.Module, _: object) -> None:
    stage = UNITS.get(type(module).__name__)
    if stage:
        armed.unit(stage)


torch.nn.modules.module.register_module_forward_pre_hook(before_module)


@functools.cache
def watch_saving() -> None:
    """Every frame that a video file takes is a unit of the stage "save"."""
    (core,) = (module for name, module in sys.modules.items() if name.endswith("dismo-pack.dismo_core"))
    own = core.write_video

    def write_video(path, frames, *arguments, **settings):
        def each():
            for frame in frames:
                armed.unit("save")
                yield frame

        own(path, each(), *arguments, **settings)

    core.write_video = write_video


@PromptServer.instance.routes.post("/dismo_fault")
async def arm(request):
    global armed
    watch_saving()
    armed = Armed(**await request.json())
    return web.json_response({})


@PromptServer.instance.routes.get("/dismo_fault")
async def told(request):
    return web.json_response({"come": armed.come, "after": armed.after})


NODE_CLASS_MAPPINGS = {}
