"""The node that puts an ordinary LoRA beside the motion adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import folder_paths
from comfy_api.latest import io

from ..shared import compat, files, host
from ..shared.sockets import VideoModel

if TYPE_CHECKING:
    from ...dismo_core.dismo.video_model import MotionVideoModel

FOLDER = "loras"
NONE = "none"


def choices() -> list[str]:
    """No LoRA, then the files in `models/loras`."""
    return [NONE, *folder_paths.get_filename_list(FOLDER)]


class VideoLoRA(io.ComfyNode):
    """DISMO_VIDEO_MODEL -> the same with a LoRA."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoVideoLoRA.md`."""
        return io.Schema(
            node_id="DisMoVideoLoRA",
            display_name="Video LoRA (DisMo)",
            category="DisMo",
            description="Adds an ordinary CogVideoX-5B LoRA (style, character) to a model that follows a motion.",
            inputs=[
                VideoModel.Input("model", tooltip="From Load CogVideoX Motion Adapter, or another Video LoRA."),
                io.Combo.Input(
                    "lora",
                    options=choices(),
                    default="none",
                    tooltip="A LoRA for CogVideoX-5B in models/loras, as diffusers, PEFT, ComfyUI, kohya or CogVideoX-Fun write it.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How strong the LoRA is; 0 = without, 1 = as it was trained.",
                ),
                io.String.Input(
                    "strengths",
                    default="",
                    optional=True,
                    tooltip="In long videos, in place of strength: one for each segment, with vertical bars between; "
                    "the last one holds. Empty = strength throughout.",
                ),
            ],
            outputs=[
                VideoModel.Output(
                    "video_model",
                    display_name="video_model",
                    tooltip="The model with the LoRA; the one that came in stays as it is.",
                )
            ],
            **compat.aliases("dismo", "lora", "style", "cogvideox"),
        )

    @classmethod
    def fingerprint_inputs(cls, lora: str | None = None, **_: object) -> str:
        """Apply again when the file has changed. Inputs that come from other nodes are None here."""
        return files.fingerprint(lora, FOLDER)

    @classmethod
    def execute(cls, model: MotionVideoModel, lora: str, strength: float, strengths: str = "") -> io.NodeOutput:
        """Note the file; it is read when the model runs."""
        from ...dismo_core import DisMoError
        from ...dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel
        from ...dismo_core.dismo.adapter.with_loras import WithLoRAs, read_strengths

        if lora == NONE or (strength == 0 and not strengths.strip()):
            return io.NodeOutput(model)
        inner, before = (model.model, model.loras) if isinstance(model, WithLoRAs) else (model, {})
        if not isinstance(inner, CogVideoXModel):
            raise DisMoError(
                "This video model takes no LoRA: it is not CogVideoX. Connect Load CogVideoX Motion Adapter, or leave "
                "this node out."
            )
        path = files.full_path(FOLDER, lora)
        given = read_strengths(strengths.strip() or str(strength))
        with_loras = WithLoRAs(inner, {**before, path: (*before.get(path, ()), given)})
        host.share(inner, with_loras)
        return io.NodeOutput(with_loras)
