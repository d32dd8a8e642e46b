"""The node that gives ready-made motions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Extractor, Motion
from .energy import energy_preview

if TYPE_CHECKING:
    from ...dismo_core import MotionExtractor


class MotionPreset(io.ComfyNode):
    """Name of a move -> DISMO_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMotionPreset.md`."""
        return io.Schema(
            node_id="DisMoMotionPreset",
            display_name="Motion Preset (DisMo)",
            category="DisMo/motion",
            description="A ready-made move of the camera or of a thing, without any clip.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[
                        "pan-left",
                        "pan-right",
                        "tilt-up",
                        "tilt-down",
                        "truck-left",
                        "truck-right",
                        "pedestal-up",
                        "pedestal-down",
                        "whip-pan-left",
                        "whip-pan-right",
                        "zoom-in",
                        "zoom-out",
                        "dolly-in",
                        "dolly-out",
                        "crash-zoom",
                        "roll-left",
                        "roll-right",
                        "arc-left",
                        "arc-right",
                        "spiral",
                        "pendulum",
                        "rock",
                        "handheld",
                        "shake",
                        "thing-bounce",
                        "thing-swing",
                        "thing-spin-left",
                        "thing-spin-right",
                        "thing-wave",
                        "thing-rise",
                        "thing-fall",
                        "thing-shake",
                        "thing-pulse",
                        "thing-grow",
                        "thing-shrink",
                        "thing-circle",
                    ],
                    default="pan-left",
                    tooltip="Which move. Those that begin with thing- move a thing, the others the camera: pan-left = the camera "
                    "turns left, so the picture slides right.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="0 = still, 1 = as it is, 2 = exaggerated.",
                ),
                io.Int.Input(
                    "frames",
                    default=25,
                    min=5,
                    max=10000,
                    tooltip="Of the motion. Moves that go one way go as far in any number of frames; those that repeat go on.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second of the motion. 25 frames at 8 are a file of this pack; anything else is drawn and "
                    "read in some seconds.",
                ),
                Extractor.Input(
                    "extractor",
                    optional=True,
                    tooltip="The one that your video model was trained with. Empty = tiny, for the layered model and the frame "
                    "generator.",
                ),
            ],
            outputs=[Motion.Output("motion", display_name="motion", tooltip="Goes into Transfer Motion.")],
            **compat.aliases("dismo", "camera move", "pan", "zoom", "dolly", "preset", "camera control"),
            **compat.essentials("Video Tools"),
        )

    @classmethod
    def execute(
        cls, preset: str, strength: float, frames: int, fps: float, extractor: MotionExtractor | None = None
    ) -> io.NodeOutput:
        """Leave it to `dismo_core.motion_preset`."""
        from ...dismo_core import motion_preset

        with host.advising_on_memory():
            if extractor is not None:
                host.bring_to_device(extractor)
            motion = motion_preset(preset, extractor, frames, fps, strength, runtime=host.runtime())
        return io.NodeOutput(motion, ui=energy_preview(motion))
