"""Nodes that keep motions as files of a few kilobytes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Motion
from . import motion_files

if TYPE_CHECKING:
    from ... import dismo_core

log = logging.getLogger("dismo")


class SaveMotion(io.ComfyNode):
    """DISMO_MOTION -> file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoSaveMotion.md`."""
        return io.Schema(
            node_id="DisMoSaveMotion",
            display_name="Save Motion (DisMo)",
            category="DisMo/motion",
            description="Writes a motion as a file of a few kilobytes, to use again or to share. "
            "It holds nothing of the clip but its file name.",
            inputs=[
                Motion.Input("motion", tooltip="From Extract Motion, or an edited one."),
                io.String.Input(
                    "filename_prefix",
                    default="motion",
                    tooltip="Beginning of the file name, inside the folder for motions; a number is added. "
                    "May begin with folders (camera/pan) and hold values such as %year%-%month%-%day%.",
                ),
                io.Combo.Input(
                    "place",
                    options=["library", "output"],
                    default="library",
                    tooltip="library = models/dismo/motions, output = output/motions. Load Motion lists both.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "file", display_name="file", tooltip="The name of the file, for the input saved of Load Motion."
                ),
            ],
            is_output_node=True,
            **compat.aliases("dismo", "export motion", "motion library", "motion file"),
        )

    @classmethod
    def execute(cls, motion: dismo_core.Motion, filename_prefix: str, place: str) -> io.NodeOutput:
        """Number the file as ComfyUI does."""
        path, choice = motion_files.next_file(place, filename_prefix)
        motion.save(path)
        log.info("DisMo: motion of %d frames saved as %s", motion.frames, path)
        return io.NodeOutput(choice)


class LoadMotion(io.ComfyNode):
    """File -> DISMO_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoLoadMotion.md`."""
        return io.Schema(
            node_id="DisMoLoadMotion",
            display_name="Load Motion (DisMo)",
            category="DisMo/motion",
            description="Loads a motion that was saved as a file, or one of the examples of this pack.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=motion_files.choices(),
                    default="drawn [example]",
                    tooltip="Examples, then the files in models/dismo/motions and output/motions. "
                    "Press R on the page to list files that were saved since. Examples are read by the extractor tiny.",
                ),
                io.String.Input(
                    "saved",
                    optional=True,
                    force_input=True,
                    tooltip="From Save Motion in the same graph: loads what it has saved, instead of file.",
                ),
            ],
            outputs=[
                Motion.Output(
                    "motion", display_name="motion", tooltip="Goes into Transfer Motion, or is edited first."
                ),
            ],
            **compat.aliases("dismo", "import motion", "motion library", "motion file"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, saved: str | None = "") -> str:
        """Load again when the file has changed. Inputs that come from other nodes are None here; with `saved` no file counts."""
        return motion_files.fingerprint(file) if file and saved is not None else ""

    @classmethod
    def execute(cls, file: str, saved: str | None = None) -> io.NodeOutput:
        """Read the file, or the example clip with the bundled extractor."""
        from ... import dismo_core
        from ...dismo_core.assets.examples import example

        choice = saved or file
        name = motion_files.example(choice)
        if name is None:
            motion = dismo_core.Motion.load(motion_files.resolve(choice))
        else:
            clip, _ = example(name)
            extractor = dismo_core.load_motion_extractor("tiny")
            motion = dismo_core.extract_motion(extractor, clip, runtime=host.runtime())
        return io.NodeOutput(motion)
