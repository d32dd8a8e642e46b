"""Nodes that change and join motions. They need no model and no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ...dismo_core import DisMoError
from ..shared import compat
from ..shared.sockets import CMDMotion

if TYPE_CHECKING:
    from comfy_api.latest import Input

    from ...dismo_core.content_motion import MotionLatent


class CMDEdit(io.ComfyNode):
    """One operation on a DISMO_CMD_MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDEdit.md`."""
        return io.Schema(
            node_id="DisMoCMDEdit",
            display_name="CMD Edit Motion (DisMo)",
            category="DisMo/CMD",
            description="Changes a motion: makes it stronger or weaker, plays it backwards, in another time, elsewhere, again.",
            inputs=[
                CMDMotion.Input("motion", tooltip="From CMD Encode, CMD Sample Motion or CMD Load Motion."),
                io.Combo.Input(
                    "operation",
                    options=["scale", "reverse", "retime", "shift", "loop", "hold", "trim"],
                    default="scale",
                    tooltip="scale = by amount; reverse = backwards; retime = the same in so many frames; shift = what moves, moves "
                    "elsewhere; loop = again and again; hold = stays as it ends; trim = the first frames.",
                ),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="scale: 0 = still, 1 = as it is, more = exaggerated.",
                ),
                io.Int.Input(
                    "frames",
                    default=16,
                    min=1,
                    max=4096,
                    tooltip="retime, loop, hold and trim: frames of the result.",
                ),
                io.Float.Input(
                    "x",
                    default=0.0,
                    min=-4096.0,
                    max=4096.0,
                    step=1.0,
                    tooltip="shift: px to the right; what leaves comes in at the other side.",
                ),
                io.Float.Input(
                    "y", default=0.0, min=-4096.0, max=4096.0, step=1.0, tooltip="shift: px down, likewise."
                ),
            ],
            outputs=[CMDMotion.Output("edited", display_name="edited", tooltip="The changed motion.")],
            **compat.aliases("dismo", "cmd", "reverse motion", "retime motion", "motion strength"),
        )

    @classmethod
    def execute(
        cls, motion: MotionLatent, operation: str, amount: float, frames: int, x: float, y: float
    ) -> io.NodeOutput:
        """Leave the operation to `dismo_core`."""
        edits = {
            "scale": lambda: motion.scaled(amount),
            "reverse": motion.reversed,
            "retime": lambda: motion.retimed(frames),
            "shift": lambda: motion.shifted(x, y),
            "loop": lambda: motion.loop(frames),
            "hold": lambda: motion.hold(frames),
            "trim": lambda: motion.trimmed(frames),
        }
        return io.NodeOutput(edits[operation]())


class CMDMix(io.ComfyNode):
    """Two DISMO_CMD_MOTION -> one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoCMDMix.md`."""
        return io.Schema(
            node_id="DisMoCMDMix",
            display_name="CMD Mix Motions (DisMo)",
            category="DisMo/CMD",
            description="Makes one motion of two, made with the same model.",
            inputs=[
                CMDMotion.Input("first", tooltip="The first motion."),
                CMDMotion.Input("second", tooltip="The second motion."),
                io.Combo.Input(
                    "mode",
                    options=["interpolate", "add", "transplant", "concatenate"],
                    default="interpolate",
                    tooltip="interpolate = between both; add = both at once; transplant = within region the second; concatenate = the "
                    "second after the first. All but the last need motions of one length.",
                ),
                io.Float.Input(
                    "amount",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="interpolate: 0 = the first, 1 = the second. add: how much of the second.",
                ),
                io.Mask.Input(
                    "region",
                    optional=True,
                    tooltip="transplant: where the second moves. The rectangle around what is white counts.",
                ),
            ],
            outputs=[CMDMotion.Output("mixed", display_name="mixed", tooltip="The one motion made of them.")],
            **compat.aliases("dismo", "cmd", "blend motions", "combine motions", "transplant motion"),
        )

    @classmethod
    def execute(
        cls,
        first: MotionLatent,
        second: MotionLatent,
        mode: str,
        amount: float,
        region: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Leave it to `dismo_core`."""
        if mode == "transplant":
            if region is None:
                raise DisMoError("transplant needs a mask: connect region, white where the second motion is to be.")
            return io.NodeOutput(first.transplanted(second, _rectangle(region, first.size)))
        mixes = {
            "interpolate": lambda: first.mixed(second, amount),
            "add": lambda: first.added(second, amount),
            "concatenate": lambda: first.concatenate(second),
        }
        return io.NodeOutput(mixes[mode]())


def _rectangle(mask: Input.Mask, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) around what is white in a mask [N,h,w], px of a content frame of size (H, W)."""
    white = mask.reshape(-1, *mask.shape[-2:]).amax(dim=0) > 0.5
    if not bool(white.any()):
        raise DisMoError("The region is empty: nothing in the mask is white. Paint where the second motion is to be.")
    rows, columns = (white.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    down, along = size[0] / white.shape[0], size[1] / white.shape[1]
    return columns[0] * along, rows[0] * down, (columns[-1] + 1) * along, (rows[-1] + 1) * down
