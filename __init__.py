"""ComfyUI entry point. ComfyUI imports this folder under a path-like name; everything below is loaded when it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> ComfyExtension:
    """Give ComfyUI the list of nodes."""
    from .nodes.extension import DisMoExtension

    return DisMoExtension()
