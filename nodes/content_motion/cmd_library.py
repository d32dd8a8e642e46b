"""Nodes that keep motions, and whole clips, as files of a few tens of kilobytes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from comfy_api.latest import io, ui

from ..shared import compat
from ..shared.sockets import CMDMotion
from . import cmd_files, pictures

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.content_motion import MotionLatent

log = logging.getLogger("dismo")


class CMDSave(io.ComfyNode):
    """DISMO_CMD_MOTION -> file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDSave.md`."""
        return io.Schema(
            node_id="DisMoCMDSave",
            display_name="CMD Save Motion (DisMo)",
            category="DisMo/CMD",
            description="Writes a motion into the output folder, with its picture if that is connected: then one small file is a clip.",
            inputs=[
                CMDMotion.Input("motion", tooltip="From CMD Encode or CMD Sample Motion, or edited."),
                io.String.Input(
                    "filename_prefix",
                    default="motion/cmd",
                    tooltip="Folder and beginning of the file name, inside the output folder; a number is added. May hold values such as "
                    "%year%-%month%-%day%.",
                ),
                io.Image.Input(
                    "content",
                    optional=True,
                    tooltip="The content frame that goes into the file; without it the motion alone is kept.",
                ),
            ],
            outputs=[],
            is_output_node=True,
            **compat.aliases("dismo", "cmd", "export motion", "motion file"),
        )

    @classmethod
    def execute(cls, motion: MotionLatent, filename_prefix: str, content: Input.Image | None = None) -> io.NodeOutput:
        """Number the file as ComfyUI does."""
        from ...dismo_core.video.picture import one_picture

        path, name = cmd_files.next_file(filename_prefix)
        if content is None:
            replace(motion, content=None).save(path)
            shown = None
        else:
            one_picture(content)
            frames = pictures.content_frames(content, motion.size)
            replace(motion, content=frames[0]).save(path)
            shown = ui.PreviewImage(pictures.as_images(frames))
        log.info("DisMo: motion of %d frames saved as %s", motion.frames, name)
        return io.NodeOutput(ui=shown)


class CMDLoad(io.ComfyNode):
    """File -> DISMO_CMD_MOTION and content frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDLoad.md`."""
        return io.Schema(
            node_id="DisMoCMDLoad",
            display_name="CMD Load Motion (DisMo)",
            category="DisMo/CMD",
            description="Loads a motion that CMD Save Motion or the command line wrote, and its picture.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=cmd_files.motions(),
                    tooltip="Files (.safetensors) of the input folder, then of the output folder. Press R on the page to list files that "
                    "were saved since.",
                ),
            ],
            outputs=[
                CMDMotion.Output("motion", display_name="motion", tooltip="Goes into CMD Decode, or is edited first."),
                io.Image.Output(
                    "content",
                    display_name="content",
                    tooltip="The content frame of the file; grey where it holds none.",
                ),
            ],
            **compat.aliases("dismo", "cmd", "import motion", "motion file"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
        """Load again when the file has changed. Inputs that come from other nodes are None here."""
        return f"{file}@{cmd_files.motion_path(file).stat().st_mtime}" if file else ""

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file."""
        import torch

        from ...dismo_core.content_motion import MotionLatent

        motion = MotionLatent.load(cmd_files.motion_path(file))
        content = motion.content
        if content is None:
            log.info("DisMo: %s holds no content frame; a grey one is given.", file)
            content = torch.zeros(3, *motion.size)
        return io.NodeOutput(motion, pictures.as_images(content[None]))
