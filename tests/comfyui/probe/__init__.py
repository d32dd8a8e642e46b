"""A ComfyUI pack for the tests alone: shows what the server's process holds in memory, and what its nodes make of tracks."""

import gc
import json

import comfy.model_management
import numpy
import psutil
import torch
from aiohttp import web
from comfy_extras import nodes_wan
from server import PromptServer


@PromptServer.instance.routes.get("/dismo_probe")
async def probe(request):
    """Registered models with their bytes on the device, live modules, bytes of live tensors, resident memory."""
    gc.collect()
    objects = gc.get_objects()
    tensors = [o for o in objects if issubclass(type(o), torch.Tensor) and not o.is_meta]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    loaded = [entry.model for entry in comfy.model_management.current_loaded_models]
    return web.json_response(
        {
            "registered": [[type(patcher).__name__, patcher.loaded_size()] for patcher in loaded],
            "modules": sum(issubclass(type(o), torch.nn.Module) for o in objects),
            "tensor_bytes": sum(storages.values()),
            "rss": psutil.Process().memory_info().rss,
        }
    )


@PromptServer.instance.routes.get("/dismo_pending")
async def pending(request):
    """Whether a POST /free still waits for the thread that runs prompts."""
    return web.json_response(bool(PromptServer.instance.prompt_queue.get_flags(reset=False)))


class Half:
    """Images as some packs and ComfyUI's --fp16-intermediates give them."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "halve", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"images": ("IMAGE",)}}

    def halve(self, images):
        return (images.half(),)


class Tracks:
    """Tracks through the functions of ComfyUI's WanTrackToVideo; the shape and the range of what comes out."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "read", (), True

    @classmethod
    def INPUT_TYPES(cls):
        size = {name: ("INT", {"default": 0, "max": 16384}) for name in ("width", "height", "length")}
        return {"required": {"tracks": ("STRING", {"forceInput": True}), **size}}

    def read(self, tracks, width, height, length):
        parsed = nodes_wan.parse_json_tracks(tracks)
        points = numpy.stack([nodes_wan.pad_pts(track) for track in parsed])
        done = nodes_wan.process_tracks(points, (width, height), length - 1)
        said = {"shape": list(done.shape), "first": done[0].tolist(), "last": done[-1].tolist()}
        return {"ui": {"text": [json.dumps(said)]}}


class WanParts:
    """What WanTrackToVideo asks for beside tracks and picture: conditions, and a VAE whose latents are zero."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("CONDITIONING", "VAE")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        return [[torch.zeros(1, 1, 8), {}]], self

    def encode(self, frames):
        count, height, width, _ = frames.shape
        return torch.zeros(1, 16, (count - 1) // 4 + 1, height // 8, width // 8)


class Conditions:
    """The shapes of the tensors in conditions, and of a latent."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "read", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"conditions": ("CONDITIONING",), "latent": ("LATENT",)}}

    def read(self, conditions, latent):
        tensors = {name: value for name, value in conditions[0][1].items() if isinstance(value, torch.Tensor)}
        said = {name: list(value.shape) for name, value in tensors.items()} | {"latent": list(latent["samples"].shape)}
        return {"ui": {"text": [json.dumps(said)]}}


NODE_CLASS_MAPPINGS = {
    "DisMoProbeHalf": Half,
    "DisMoProbeTracks": Tracks,
    "DisMoProbeWanParts": WanParts,
    "DisMoProbeConditions": Conditions,
}
