"""The node that draws motions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat
from ..shared.sockets import Motion

if TYPE_CHECKING:
    from ... import dismo_core


class PlotMotion(io.ComfyNode):
    """DISMO_MOTION -> IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoPlotMotion.md`."""
        return io.Schema(
            node_id="DisMoPlotMotion",
            display_name="Plot Motion (DisMo)",
            category="DisMo/motion",
            description="Draws up to four motions of one extractor, to compare them.",
            inputs=[
                Motion.Input("motion_1", tooltip="The motion to draw."),
                io.Combo.Input(
                    "plot",
                    options=["all", "energy", "path", "self-similarity"],
                    default="all",
                    tooltip="energy = how much moves over time; path = the motion as a curve in the plane of its largest "
                    "changes; self-similarity = which moments move alike; all = the three.",
                ),
                compat.advanced(
                    io.Int.Input(
                        "width",
                        default=1100,
                        min=400,
                        max=4400,
                        step=10,
                        tooltip="Width of the picture in pixels; the height follows.",
                    )
                ),
                Motion.Input("motion_2", optional=True, tooltip="Another motion, to compare."),
                Motion.Input("motion_3", optional=True, tooltip="Another motion, to compare."),
                Motion.Input("motion_4", optional=True, tooltip="Another motion, to compare."),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The plot, for Preview Image or Save Image.")
            ],
            **compat.aliases("dismo", "motion graph", "motion analysis", "visualize motion"),
        )

    @classmethod
    def execute(
        cls,
        motion_1: dismo_core.Motion,
        plot: str,
        width: int,
        motion_2: dismo_core.Motion | None = None,
        motion_3: dismo_core.Motion | None = None,
        motion_4: dismo_core.Motion | None = None,
    ) -> io.NodeOutput:
        """Name the motions by their inputs, then leave it to `dismo_core.figures`."""
        from ...dismo_core.dismo.plots import PANELS, plot_motions

        motions = {
            f"{number} {motion.source}"[:40].rstrip(): motion
            for number, motion in enumerate((motion_1, motion_2, motion_3, motion_4), 1)
            if motion is not None
        }
        picture = plot_motions(motions, PANELS if plot == "all" else [plot], width)
        return io.NodeOutput(picture[None].float() / 255)
