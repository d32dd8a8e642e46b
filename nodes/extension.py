"""The nodes that ComfyUI asks for: of each method a list (`registry.py`), and those that know no method."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .content_motion import registry as content_motion
from .dismo import registry as dismo
from .gaussians4d import registry as gaussians4d
from .mimo import registry as mimo
from .motiondirector import registry as motiondirector
from .shared.example import ExampleInputs
from .shared.hints import explained
from .shared.save import SaveVideo
from .text_to_video.load_base import LoadTextToVideo

METHODS = (dismo, motiondirector, mimo, gaussians4d, content_motion)


class DisMoExtension(ComfyExtension):
    """DisMo motion transfer."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Register the folders (before any schema lists them) and name the nodes."""
        for method in METHODS:
            for register in method.FOLDERS:
                register()
        nodes: list[type[io.ComfyNode]] = [SaveVideo, ExampleInputs, LoadTextToVideo]
        for method in METHODS:
            nodes += method.NODES
        return [explained(node) for node in nodes]
