"""A ComfyUI pack for the tests alone: shows what the server's process holds in memory."""

import gc

import comfy.model_management
import psutil
import torch
from aiohttp import web
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


NODE_CLASS_MAPPINGS = {"DisMoProbeHalf": Half}
