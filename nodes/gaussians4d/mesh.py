"""The nodes that give a 4D model a surface, and a sharper texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.ranges import check_range
from ..shared.sockets import Clip4D, Mesh4D, Model4D
from .svd_files import NONE, svd_folder, svd_folders

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d import Gaussians4D
    from ...dismo_core.gaussians4d.clip import Clip4D as Clip
    from ...dismo_core.gaussians4d.moving_mesh import MovingMesh


class Mesh(io.ComfyNode):
    """DISMO_4D -> DISMO_4D_MESH."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DMesh.md`."""
        return io.Schema(
            node_id="DisMo4DMesh",
            display_name="4D Mesh (DisMo)",
            category="DisMo/4D",
            description="A textured surface from the Gaussians of a 4D model. Needs the libraries of the extra 4d, see the help page.",
            inputs=[
                Model4D.Input("model4d", tooltip="From Fit 4D or Load 4D."),
                io.Int.Input(
                    "resolution",
                    default=128,
                    min=32,
                    max=512,
                    step=16,
                    tooltip="Of the grid that the surface is found in, a multiple of 16.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.01,
                    max=100.0,
                    step=0.05,
                    tooltip="Density at which the surface lies: less gives a thicker object.",
                ),
                io.Int.Input("texture", default=1024, min=64, max=8192, step=64, tooltip="Side of the texture, px."),
                io.Boolean.Input(
                    "per_frame",
                    default=False,
                    tooltip="A surface of its own for each frame, as DreamGaussian4D makes them: flickers, and is no animated GLB. "
                    "Off = one surface that moves.",
                ),
            ],
            outputs=[Mesh4D.Output("mesh", display_name="mesh", tooltip="Goes into Save 4D or Refine 4D Mesh.")],
            **compat.aliases("dismo", "4d", "marching cubes", "glb"),
        )

    @classmethod
    def execute(
        cls, model4d: Gaussians4D, resolution: int, threshold: float, texture: int, per_frame: bool
    ) -> io.NodeOutput:
        """Leave it to `moving_mesh`."""
        from ...dismo_core.gaussians4d.moving_mesh import moving_mesh

        check_range("resolution", resolution, 32, 512)
        check_range("threshold", threshold, 0.01, 100)
        runtime = host.runtime()
        with torch.inference_mode(False):
            mesh = moving_mesh(
                model4d,
                per_frame=per_frame,
                new=True,
                resolution=resolution,
                threshold=threshold,
                texture=texture,
                progress=lambda done, total: runtime.progress(done, total, None),
            )
        return io.NodeOutput(mesh)


class Refine(io.ComfyNode):
    """DISMO_4D_MESH -> the same with a sharper texture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DRefine.md`."""
        return io.Schema(
            node_id="DisMo4DRefine",
            display_name="Refine 4D Mesh (DisMo)",
            category="DisMo/4D",
            description="Fits the texture of a mesh to the frames of the clip, and other sides to what a video model makes of them.",
            inputs=[
                Mesh4D.Input("mesh", tooltip="From 4D Mesh."),
                Clip4D.Input("clip", tooltip="The clip that the model was fitted to; a larger size shows more."),
                io.Int.Input("steps", default=50, min=1, max=100000, tooltip="Of the fit."),
                io.Combo.Input(
                    "svd",
                    options=svd_folders(),
                    default="none",
                    tooltip="A Stable Video Diffusion that redraws the other sides: its diffusers folder in models/diffusers or "
                    "models/dismo. For a graphics card. none = only what the clip shows changes.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of the noise of svd, of the sides it sees and, for meshes of each frame, of the sizes that are drawn.",
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "train_geo",
                        optional=True,
                        default=False,
                        tooltip="Move the vertices, too, a little, where the colors of the frames fit better then. Off = only the texture "
                        "changes.",
                    )
                ),
            ],
            outputs=[Mesh4D.Output("refined", display_name="refined", tooltip="Goes into Save 4D.")],
            **compat.aliases("dismo", "4d", "texture"),
        )

    @classmethod
    def execute(
        cls, mesh: MovingMesh, clip: Clip, steps: int, svd: str, seed: int, train_geo: bool = False
    ) -> io.NodeOutput:
        """Leave it to `refine_texture`."""
        from ...dismo_core.gaussians4d.refine import GEOMETRY_RATE, RefineSettings, refine_texture
        from ...dismo_core.gaussians4d.svd import Redrawing, load_svd

        video = redraw = None
        with host.advising_on_memory(), torch.inference_mode(False), torch.enable_grad():
            if svd != NONE:
                video = load_svd(svd_folder(svd), host.runtime().device)
                host.register_plan(video, video.plan)
                host.bring_to_device(video)
                redraw = Redrawing(video)
            runtime = host.runtime(video)
            if video is not None:
                video.plan.make_room(runtime)
            settings = RefineSettings(steps=steps, geometry_rate=GEOMETRY_RATE if train_geo else 0.0, seed=seed)
            return io.NodeOutput(refine_texture(mesh, clip, settings, redraw=redraw, runtime=runtime))
