"""Nodes that load, save and merge adapters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MotionDirectorAdapter
from . import adapter_files

if TYPE_CHECKING:
    from ...dismo_core.motiondirector.adapter_file import AdapterFile

log = logging.getLogger("dismo")
SUFFIXES = {"safetensors": ".safetensors", "published": ".pt"}


class LoadMotionDirector(io.ComfyNode):
    """File -> DISMO_MD_ADAPTER."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoLoadMotionDirector.md`."""
        return io.Schema(
            node_id="DisMoLoadMotionDirector",
            display_name="Load MotionDirector (DisMo)",
            category="DisMo/motiondirector",
            description="Loads a motion or an appearance that MotionDirector learned: a file of this pack, or one of the published .pt "
            "files.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=adapter_files.choices(),
                    tooltip="Files in models/dismo/motiondirector, then those in models/loras, of which ordinary LoRAs are refused. Press "
                    "R on the page to list files that were saved since.",
                ),
                io.Int.Input(
                    "clip_index",
                    default=-1,
                    min=-1,
                    max=10000,
                    tooltip="Of a file with the appearance of several clips: the one to take, counted from 0. -1 = all, their average.",
                ),
            ],
            outputs=[
                MotionDirectorAdapter.Output(
                    "adapter", display_name="adapter", tooltip="Goes into MotionDirector Sample."
                ),
                io.String.Output(
                    "info", display_name="info", tooltip="Part, rank, base, and how strong the updates are."
                ),
            ],
            **compat.aliases("dismo", "motiondirector", "motion lora", "load lora"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, **_: object) -> str:
        """Load again when the file has changed. Inputs that come from other nodes are None here."""
        return adapter_files.fingerprint(file) if file else ""

    @classmethod
    def execute(cls, file: str, clip_index: int) -> io.NodeOutput:
        """Read the file; it is compared with a base when it is used."""
        from ...dismo_core.motiondirector.adapter_file import read_adapter
        from ...dismo_core.motiondirector.inspect_file import described
        from ...dismo_core.motiondirector.merge import one_adapter

        adapter = read_adapter(adapter_files.resolve(file))
        if clip_index >= 0:
            adapter = one_adapter(adapter, clip_index)
        return io.NodeOutput(adapter, described(adapter))


class SaveMotionDirector(io.ComfyNode):
    """DISMO_MD_ADAPTER -> file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoSaveMotionDirector.md`."""
        return io.Schema(
            node_id="DisMoSaveMotionDirector",
            display_name="Save MotionDirector (DisMo)",
            category="DisMo/motiondirector",
            description="Writes a motion or an appearance as a file, to use again or to share.",
            inputs=[
                MotionDirectorAdapter.Input("adapter", tooltip="From Train MotionDirector or Merge MotionDirector."),
                io.String.Input(
                    "filename_prefix",
                    default="motiondirector/motion",
                    tooltip="Folder and beginning of the file name, inside models/dismo; a number is added. Load MotionDirector lists "
                    "what lies in motiondirector.",
                ),
                io.Combo.Input(
                    "format",
                    options=["safetensors", "published"],
                    default="safetensors",
                    tooltip="safetensors = with names, for this pack; published = the .pt list that the published scripts read.",
                ),
            ],
            outputs=[io.String.Output("path", display_name="path", tooltip="Of the file.")],
            is_output_node=True,
            **compat.aliases("dismo", "motiondirector", "save lora", "export motion"),
        )

    @classmethod
    def execute(cls, adapter: AdapterFile, filename_prefix: str, format: str) -> io.NodeOutput:
        """Number the file, then leave it to `write_adapter`."""
        from ...dismo_core.motiondirector.adapter_file import write_adapter

        path = adapter_files.next_file(filename_prefix, SUFFIXES[format])
        write_adapter(adapter, path)
        several = adapter.count > 1 and format == "published"
        host.notify(
            "The published scripts read a single appearance adapter; this file holds several." if several else None
        )
        log.info("DisMo: %s saved as %s", adapter.part, path)
        return io.NodeOutput(str(path))


class MergeMotionDirector(io.ComfyNode):
    """Two DISMO_MD_ADAPTER -> their sum."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMergeMotionDirector.md`."""
        return io.Schema(
            node_id="DisMoMergeMotionDirector",
            display_name="Merge MotionDirector (DisMo)",
            category="DisMo/motiondirector",
            description="Adds two motions, or two appearances, as one adapter: exactly, or brought back to a rank.",
            inputs=[
                MotionDirectorAdapter.Input("first", tooltip="From Load or Train MotionDirector."),
                MotionDirectorAdapter.Input("second", tooltip="Of the same part and for the same base."),
                io.Float.Input(
                    "first_scale",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How much of the first; below 0 it is taken away.",
                ),
                io.Float.Input(
                    "second_scale",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How much of the second.",
                ),
                io.Int.Input(
                    "rank",
                    default=0,
                    min=0,
                    max=512,
                    tooltip="Of the result. 0 = the exact sum, of both ranks together; less keeps what matters most.",
                ),
            ],
            outputs=[
                MotionDirectorAdapter.Output("adapter", display_name="adapter", tooltip="The sum."),
                io.Float.Output("kept", display_name="kept", tooltip="Share of the sum that is kept, 1 = all of it."),
            ],
            **compat.aliases("dismo", "motiondirector", "merge lora", "combine motions"),
        )

    @classmethod
    def execute(
        cls, first: AdapterFile, second: AdapterFile, first_scale: float, second_scale: float, rank: int
    ) -> io.NodeOutput:
        """See `merge_adapters`."""
        from ...dismo_core.motiondirector.merge import merge_adapters

        merged = merge_adapters([first, second], [first_scale, second_scale], rank)
        return io.NodeOutput(merged.file, merged.kept)
