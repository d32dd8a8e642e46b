"""Nodes that change and mix motions. They need no model and no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ...dismo_core import DisMoError
from ..shared import compat
from ..shared.sockets import Motion, StrengthCurve

if TYPE_CHECKING:
    from ... import dismo_core


class EditMotion(io.ComfyNode):
    """One operation on a DISMO_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoEditMotion.md`."""
        return io.Schema(
            node_id="DisMoEditMotion",
            display_name="Edit Motion (DisMo)",
            category="DisMo/motion",
            description="Changes a motion: cuts it, repeats it, holds it, makes it stronger. "
            "To reverse it truly, or to change its speed, use reverse and fps of Extract Motion.",
            inputs=[
                Motion.Input("motion", tooltip="The motion to change."),
                io.Combo.Input(
                    "operation",
                    options=["trim", "loop", "hold", "pause", "concatenate", "reverse order", "strength"],
                    default="trim",
                    tooltip="trim = keep a part; loop = play it several times; hold = go on for more frames as it does "
                    "at one frame; pause = stand still for some frames; concatenate = other follows; "
                    "reverse order = what comes last comes first, but each part still moves forward: "
                    "for true reversal use reverse of Extract Motion, and fps there for speed; "
                    "strength = weaker or stronger.",
                ),
                io.Int.Input(
                    "start",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="trim: the first frame to keep. hold and pause: the frame at which it holds. "
                    "The first frame is 0.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="trim: frames to keep, at least 5, or 0 = to the end. hold and pause: frames to add.",
                ),
                io.Int.Input(
                    "times",
                    default=2,
                    min=1,
                    max=1000,
                    tooltip="loop: how many times it plays. 25 frames played twice are 49: "
                    "the last frame is the first of the next time.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="strength: 0 = still, 1 = as it is, 2 = exaggerated.",
                ),
                Motion.Input(
                    "other",
                    optional=True,
                    tooltip="concatenate: the motion that follows, of the same extractor and fps.",
                ),
                io.String.Input(
                    "curve",
                    default="",
                    optional=True,
                    tooltip="strength: over time, times strength: frame:strength, such as 0:1, 12:0.2, 24:1; or ease-in, ease-out, "
                    "ease-in-out, ping-pong. Empty = the same throughout.",
                ),
                io.Combo.Input(
                    "keys",
                    options=["linear", "smooth"],
                    default="linear",
                    optional=True,
                    tooltip="strength: straight from key to key of the curve, or smoothly in and out of each.",
                ),
                io.Int.Input(
                    "crossfade",
                    default=0,
                    min=0,
                    max=100000,
                    optional=True,
                    tooltip="loop and concatenate: frames over which one end turns into the next beginning; 0 = none. "
                    "At most half of the shorter motion.",
                ),
                StrengthCurve.Input(
                    "drawn_curve",
                    optional=True,
                    tooltip="strength: from ComfyUI's Curve Editor, over the whole motion, in place of curve; 0 below, 1 above. Or "
                    "numbers, one for each frame.",
                ),
            ],
            outputs=[Motion.Output("edited", display_name="edited", tooltip="The changed motion.")],
            **compat.aliases("dismo", "trim motion", "loop motion", "hold motion", "reverse motion", "motion strength"),
        )

    @classmethod
    def execute(
        cls,
        motion: dismo_core.Motion,
        operation: str,
        start: int,
        frames: int,
        times: int,
        strength: float,
        other: dismo_core.Motion | None = None,
        curve: str = "",
        keys: str = "linear",
        crossfade: int = 0,
        drawn_curve: Any = None,
    ) -> io.NodeOutput:
        """Leave the operation to `dismo_core`."""
        from ...dismo_core.dismo import edit as motion_edit
        from ...dismo_core.dismo.curve import read_curve

        if operation == "concatenate" and other is None:
            raise DisMoError("Concatenate needs a second motion. Connect the one that follows to the input other.")

        def values(frames: int) -> list[float]:
            if drawn_curve is not None:
                return _drawn(drawn_curve, frames)
            return read_curve(curve, keys == "smooth")(frames) if curve.strip() else [1.0] * frames

        edits = {
            "trim": lambda: motion.trimmed(frames or motion.frames - start, start),
            "loop": lambda: motion_edit.loop(motion, times, crossfade),
            "hold": lambda: motion_edit.hold(motion, start, frames),
            "pause": lambda: motion_edit.pause(motion, start, frames),
            "concatenate": lambda: motion_edit.chain([motion, other], crossfade),
            "reverse order": lambda: motion_edit.reverse_order(motion),
            "strength": lambda: motion.scaled([strength * value for value in values(motion.frames)]),
        }
        return io.NodeOutput(edits[operation]())


def _drawn(curve: Any, frames: int) -> list[float]:
    """Values of ComfyUI's own sockets: a function of 0..1, or one number for each frame."""
    if hasattr(curve, "interp"):
        return [float(curve.interp(frame / (frames - 1))) for frame in range(frames)]
    if len(curve) != frames:
        raise DisMoError(
            f"The curve has {len(curve)} numbers, the motion {frames} frames. Give one number for each frame."
        )
    return [float(value) for value in curve]


class MixMotion(io.ComfyNode):
    """Several DISMO_MOTION -> one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMixMotion.md`."""
        return io.Schema(
            node_id="DisMoMixMotion",
            display_name="Mix Motions (DisMo)",
            category="DisMo/motion",
            description="Makes one motion of several: two at the same time, or up to four one after the other. "
            "All must be of the same extractor and fps.",
            inputs=[
                Motion.Input("motion_1", tooltip="The first motion."),
                Motion.Input("motion_2", tooltip="The second motion."),
                io.Combo.Input(
                    "mode",
                    options=["blend", "chain"],
                    default="blend",
                    tooltip="blend = motions 1 and 2 at the same time, as long as the shorter; "
                    "chain = one after the other.",
                ),
                io.Float.Input(
                    "balance",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="blend: 0 = motion 1 alone, 1 = motion 2 alone.",
                ),
                io.Int.Input(
                    "crossfade",
                    default=4,
                    min=0,
                    max=100000,
                    tooltip="chain: frames over which one motion turns into the next; 0 = none. "
                    "At most half of the shortest motion.",
                ),
                Motion.Input("motion_3", optional=True, tooltip="chain: follows motion 2."),
                Motion.Input("motion_4", optional=True, tooltip="chain: follows the others."),
            ],
            outputs=[Motion.Output("mixed", display_name="mixed", tooltip="The one motion made of them.")],
            **compat.aliases("dismo", "blend motions", "chain motions", "combine motions", "crossfade"),
        )

    @classmethod
    def execute(
        cls,
        motion_1: dismo_core.Motion,
        motion_2: dismo_core.Motion,
        mode: str,
        balance: float,
        crossfade: int,
        motion_3: dismo_core.Motion | None = None,
        motion_4: dismo_core.Motion | None = None,
    ) -> io.NodeOutput:
        """Leave it to `dismo_core`."""
        from ...dismo_core.dismo import edit as motion_edit

        further = [motion for motion in (motion_3, motion_4) if motion is not None]
        if mode == "blend" and further:
            raise DisMoError("Blend takes two motions. Disconnect motion_3 and motion_4, or set mode to chain.")
        if mode == "chain":
            mixed = motion_edit.chain([motion_1, motion_2, *further], crossfade)
        else:
            mixed = motion_edit.blend(motion_1, motion_2, balance)
        return io.NodeOutput(mixed)
