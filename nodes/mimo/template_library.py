"""Nodes that keep templates as folders or zip files, and take them apart."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from comfy_api.latest import io

from ..shared import compat
from ..shared.sockets import MimoTemplate
from . import template_files
from .media import to_images

if TYPE_CHECKING:
    from ...dismo_core.mimo import Template

log = logging.getLogger("dismo")


class LoadTemplate(io.ComfyNode):
    """Folder or zip file -> DISMO_MIMO_TEMPLATE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoLoadTemplate.md`."""
        return io.Schema(
            node_id="DisMoMimoLoadTemplate",
            display_name="Load MIMO Template",
            category="DisMo/MIMO/template",
            description="Loads a driving template: a folder with sdc.mp4, vid.mp4, bk.mp4 and config.json, or a zip file of one.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=template_files.choices(),
                    default="gym [example]",
                    tooltip="The example, then what is in models/dismo/mimo/templates and in ComfyUI's input folder. Press R on the "
                    "page to list what was put there since.",
                ),
                io.Int.Input("max_frames", default=150, min=1, max=4096, tooltip="Use so many frames of it at most."),
                io.Int.Input(
                    "start",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Leave out so many frames at its beginning, counted at 30 per second, as its config.json counts.",
                ),
            ],
            outputs=[
                MimoTemplate.Output(
                    "template",
                    display_name="template",
                    tooltip="Goes into Insert Character, MIMO Edit, MIMO Animate or MIMO Plan Crops.",
                )
            ],
            **compat.aliases("dismo", "mimo", "driving template"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **_: object) -> str:
        """Load again when its files have changed. Inputs that come from other nodes are None here."""
        return template_files.fingerprint(file)

    @classmethod
    def execute(cls, file: str, max_frames: int, start: int) -> io.NodeOutput:
        """Narrow the template's range; its frames are read by whoever uses them."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo.templates.config import CONFIG_FPS

        if max_frames < 1 or start < 0:
            raise DisMoError(f"max_frames must be 1 or more and start 0 or more, not {max_frames} and {start}.")
        template = template_files.load(file)
        begin = template.start + start
        end = begin + math.ceil(max_frames * CONFIG_FPS / template.fps)
        end = end if template.end is None else min(end, template.end)
        if end <= begin:
            raise DisMoError(
                f"The template {template.name!r} ends at frame {template.end}, before its start {begin}. Lower start."
            )
        return io.NodeOutput(replace(template, start=begin, end=end))


class SaveTemplate(io.ComfyNode):
    """DISMO_MIMO_TEMPLATE -> folder or zip file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoSaveTemplate.md`."""
        return io.Schema(
            node_id="DisMoMimoSaveTemplate",
            display_name="Save MIMO Template",
            category="DisMo/MIMO/template",
            description="Writes a template as a folder that the published software can use, too, or as one zip file to share.",
            inputs=[
                MimoTemplate.Input("template", tooltip="From Build MIMO Template or Load MIMO Template."),
                io.String.Input(
                    "name",
                    default="template",
                    tooltip="Of the folder or file, in models/dismo/mimo/templates. A number is added where there is one of that "
                    "name; dance/one makes a folder dance.",
                ),
                io.Boolean.Input("zip", default=False, tooltip="One zip file in the place of a folder."),
            ],
            outputs=[io.String.Output("path", display_name="path", tooltip="Where it was written.")],
            is_output_node=True,
            **compat.aliases("dismo", "mimo", "driving template", "export template"),
        )

    @classmethod
    def execute(cls, template: Template, name: str, zip: bool) -> io.NodeOutput:
        """Whole or not at all; nothing is ever replaced."""
        path = template_files.free_path(name, zip)
        template.save(path)
        log.info("DisMo: template saved as %s", path)
        return io.NodeOutput(str(path))


class TemplateParts(io.ComfyNode):
    """DISMO_MIMO_TEMPLATE -> its videos as pictures and masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoTemplateParts.md`."""
        return io.Schema(
            node_id="DisMoMimoTemplateParts",
            display_name="MIMO Template Parts",
            category="DisMo/MIMO/template",
            description="Takes a template apart into pictures and masks, for other nodes.",
            inputs=[MimoTemplate.Input("template", tooltip="From Load MIMO Template, for example.")],
            outputs=[
                io.Image.Output("video", display_name="video", tooltip="The clip; the scene where it has none."),
                io.Image.Output("body", display_name="body", tooltip="The body on black; black where it has none."),
                io.Image.Output(
                    "background",
                    display_name="background",
                    tooltip="The scene without the person; white where it has none.",
                ),
                io.Mask.Output(
                    "person", display_name="person", tooltip="The person; the outline of the body where it has none."
                ),
                io.Mask.Output(
                    "occlusion", display_name="occlusion", tooltip="What stands in front; empty where nothing does."
                ),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second of them all."),
            ],
            **compat.aliases("dismo", "mimo", "driving template"),
        )

    @classmethod
    def execute(cls, template: Template) -> io.NodeOutput:
        """All frames in memory, as pictures are in ComfyUI."""
        from ...dismo_core.mimo import silhouette

        frames = template.open(None)
        width, height = frames.size
        empty = np.zeros((len(frames), height, width), np.uint8)
        black = np.broadcast_to(empty[..., None], (*empty.shape, 3))
        person = [silhouette(body) for body in frames.person] if frames.mask is None else frames.mask
        parts = (
            frames.bk if frames.vid is None else frames.vid,
            black if frames.sdc is None else frames.sdc,
            frames.bk,
            person,
            empty if frames.occ is None else frames.occ,
        )
        return io.NodeOutput(*map(to_images, parts), float(frames.fps))
