"""The nodes that save a 4D model and load it again."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths
import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Mesh4D, Model4D
from . import model_files

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d import Gaussians4D
    from ...dismo_core.gaussians4d.moving_mesh import MovingMesh

log = logging.getLogger("dismo")
ENDINGS = {"glb": ".glb", "ply sequence": "ply", "obj sequence": "obj", "html": ".html", "4d": model_files.MODEL}


class Save(io.ComfyNode):
    """DISMO_4D -> file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DSave.md`."""
        return io.Schema(
            node_id="DisMo4DSave",
            display_name="Save 4D (DisMo)",
            category="DisMo/4D",
            description="Writes a moving object: one animated GLB, a page for the browser, a sequence, or a file to load again.",
            inputs=[
                Model4D.Input("model4d", tooltip="From Fit 4D."),
                Mesh4D.Input(
                    "mesh",
                    optional=True,
                    tooltip="From 4D Mesh or Refine 4D Mesh. Empty = the surface that the model has.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="3d/dismo",
                    tooltip="Folder and beginning of the name, inside the output folder; a number is added.",
                ),
                io.Combo.Input(
                    "format",
                    options=["glb", "ply sequence", "obj sequence", "html", "4d"],
                    default="glb",
                    tooltip="glb = one animated file for Blender and ComfyUI's 3D preview; ply sequence = Gaussians, four for each frame, "
                    "for splat viewers; obj sequence = a mesh for each frame; html = a page that shows it in any browser; 4d = the model, "
                    "for Load 4D.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "model_file",
                    display_name="model_file",
                    tooltip="Name of the file or folder within the output folder; of a glb, for ComfyUI's Preview 3D.",
                ),
            ],
            is_output_node=True,
            **compat.aliases("dismo", "4d", "export glb", "export ply"),
        )

    @classmethod
    def execute(
        cls, model4d: Gaussians4D, filename_prefix: str, format: str, mesh: MovingMesh | None = None
    ) -> io.NodeOutput:
        """Number the file as ComfyUI does."""
        from ...dismo_core import DisMoError

        if format not in ENDINGS:
            raise DisMoError(f"format is one of {', '.join(ENDINGS)}, not {format!r}.")
        place = folder_paths.get_save_image_path(filename_prefix, folder_paths.get_output_directory())
        folder, name, counter, subfolder, _ = place
        file = f"{name}_{counter:05}_{ENDINGS[format]}"
        path = Path(folder) / file
        with torch.inference_mode(False):
            _write(path, model4d, mesh, format)
        log.info("DisMo: 4D model saved as %s", path)
        return io.NodeOutput((Path(subfolder) / file).as_posix())


def _write(path: Path, four: Gaussians4D, mesh: MovingMesh | None, format: str) -> None:
    from ...dismo_core import DisMoError
    from ...dismo_core.gaussians4d import animated_glb, html_viewer
    from ...dismo_core.gaussians4d.export import write_mesh_sequence, write_ply_sequence
    from ...dismo_core.gaussians4d.moving_mesh import moving_mesh

    report = host.runtime().progress

    def progress(done: int, total: int) -> None:
        report(done, total, None)

    if format == "ply sequence":
        write_ply_sequence(path, four, progress=progress)
        return
    if format == "4d":
        (four if mesh is None or mesh.rest is None else replace(four, surface=mesh.rest)).save(path)
        return
    moving = mesh or moving_mesh(four, progress=progress)
    if format == "obj sequence":
        write_mesh_sequence(path, moving, progress=progress)
        return
    if moving.rest is None:
        raise DisMoError(
            f"The mesh has a surface of its own for each frame, which one animated file ({format}) cannot hold. "
            "Choose the format obj sequence, or per_frame off."
        )
    write = animated_glb if format == "glb" else html_viewer
    write(path, four, moving.rest)


class Load(io.ComfyNode):
    """File -> DISMO_4D."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DLoad.md`."""
        return io.Schema(
            node_id="DisMo4DLoad",
            display_name="Load 4D (DisMo)",
            category="DisMo/4D",
            description="Loads a moving object that was saved with the format 4d.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=model_files.models(),
                    tooltip="Files that end in 4d.safetensors in the input and output folders. Press R on the page to list new ones.",
                ),
            ],
            outputs=[Model4D.Output("model4d", display_name="model4d", tooltip="Goes into Render 4D and Save 4D.")],
            **compat.aliases("dismo", "4d"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
        """Load again when the file has changed."""
        return model_files.fingerprint(file) if file else ""

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file."""
        from ...dismo_core.gaussians4d import Gaussians4D

        with torch.inference_mode(False):
            return io.NodeOutput(Gaussians4D.load(model_files.resolve(file)))
