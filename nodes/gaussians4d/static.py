"""The nodes that give Gaussians at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Clip4D, Gaussians, Static4D
from . import model_files

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d.clip import Clip4D as Clip
    from ...dismo_core.gaussians4d.posed import PosedGaussians

SIDES = (0.0, 90.0, 180.0, 270.0)
VIEW = 256  # px


class Static(io.ComfyNode):
    """DISMO_4D_CLIP -> DISMO_GAUSSIANS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DStatic.md`."""
        return io.Schema(
            node_id="DisMo4DStatic",
            display_name="4D Gaussians from Clip (DisMo)",
            category="DisMo/4D",
            description="A solid object from one frame of a clip. Without a model its outline is blown up: sides and back are inferred.",
            inputs=[
                Clip4D.Input("clip", tooltip="From Prepare 4D Clip."),
                Static4D.Input(
                    "static_model",
                    optional=True,
                    tooltip="A network that invents the other sides. Empty = the outline is blown up.",
                ),
                io.Int.Input(
                    "frame",
                    default=0,
                    min=0,
                    max=127,
                    tooltip="Frame of the prepared clip that the object is made from: one that shows all of the subject.",
                ),
                io.Int.Input(
                    "count",
                    default=1500,
                    min=50,
                    max=1000000,
                    tooltip="About how many Gaussians, where the outline is blown up.",
                ),
                io.Float.Input(
                    "thickness",
                    default=0.7,
                    min=0.1,
                    max=1.5,
                    step=0.05,
                    tooltip="How far the outline is blown up: 0.1 = flat, 1 = a disc becomes a ball.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of the random numbers of a static model; blowing up the outline needs none.",
                ),
            ],
            outputs=[
                Gaussians.Output("gaussians", display_name="gaussians", tooltip="Goes into Fit 4D."),
                io.Image.Output(
                    "views", display_name="views", tooltip="From in front, the right, behind and the left."
                ),
            ],
            **compat.aliases("dismo", "4d", "image to 3d", "gaussian splatting"),
        )

    @classmethod
    def execute(
        cls, clip: Clip, frame: int, count: int, thickness: float, seed: int, static_model: Any = None
    ) -> io.NodeOutput:
        """Blow up the outline."""
        from ...dismo_core.gaussians4d.posed import inflated

        with torch.inference_mode(False):
            posed = inflated(clip, frame, count, thickness)
            return io.NodeOutput(posed, _views(posed))


class LoadGaussians(io.ComfyNode):
    """File -> DISMO_GAUSSIANS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DLoadGaussians.md`."""
        return io.Schema(
            node_id="DisMo4DLoadGaussians",
            display_name="Load 4D Gaussians (DisMo)",
            category="DisMo/4D",
            description="Loads Gaussians at rest from a PLY file of any origin, to be moved as a clip moves.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=model_files.gaussians(),
                    default="fish [example]",
                    tooltip="PLY files (3D Gaussians) in the input and output folders. Press R on the page to list new ones.",
                ),
                Clip4D.Input(
                    "align_to",
                    optional=True,
                    tooltip="A prepared clip: Gaussians that do not look as its first frame are turned, moved and scaled until they do.",
                ),
            ],
            outputs=[Gaussians.Output("gaussians", display_name="gaussians", tooltip="Goes into Fit 4D.")],
            **compat.aliases("dismo", "4d", "load ply", "splat", "gaussian splatting"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, align_to: Any = None) -> str:
        """Load again when the file has changed."""
        return model_files.fingerprint(file) if file else ""

    @classmethod
    def execute(cls, file: str, align_to: Clip | None = None) -> io.NodeOutput:
        """Read the file, or blow up the example's first frame."""
        from ...dismo_core.gaussians4d.posed import read_posed

        with torch.inference_mode(False):
            name = model_files.example(file)
            posed = model_files.example_gaussians(name) if name else read_posed(model_files.resolve(file))
            if align_to is not None:
                host.show_stage("turning the Gaussians to look as the clip")
                posed = posed.looking_like(align_to)
                host.notify(None)
        return io.NodeOutput(posed)


@torch.no_grad()
def _views(posed: PosedGaussians) -> torch.Tensor:
    """[4,H,W,3], from `SIDES`."""
    from ...dismo_core.gaussians4d.cameras import orbit_views
    from ...dismo_core.gaussians4d.rasterizer import rasterize

    views = orbit_views([0.0] * len(SIDES), list(SIDES), [posed.radius] * len(SIDES))
    image = rasterize(*posed.gaussians.activated(), views, VIEW, VIEW, posed.fov_y).image
    return image.clamp(0, 1).movedim(1, -1)
