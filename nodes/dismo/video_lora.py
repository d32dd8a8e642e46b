"""The node that puts an ordinary LoRA beside the motion adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.latest import io

from ..shared import compat, files, host
from ..shared.sockets import VideoModel

if TYPE_CHECKING:
    from torch import Tensor

    from ...dismo_core import Motion, Runtime, SamplingSettings
    from ...dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel
    from ...dismo_core.dismo.video_model import MotionVideoModel

FOLDER = "loras"
NONE = "none"


def choices() -> list[str]:
    """No LoRA, then the files in `models/loras`."""
    return [NONE, *folder_paths.get_filename_list(FOLDER)]


class WithLoRAs:
    """A `MotionVideoModel` that puts LoRAs into a shared CogVideoX model while it runs, and takes them away again.

    So other branches of the graph, and later runs without the node, find the model as it was.

    Args:
        model: shared.
        loras: safetensors file -> strength.
    """

    def __init__(self, model: CogVideoXModel, loras: dict[str, float]) -> None:
        self.model, self.loras = model, loras
        self.extractor_id, self.defaults = model.extractor_id, model.defaults
        host.share(model, self)

    def valid_lengths(self, motion: Motion) -> list[int]:
        """As the model's."""
        return self.model.valid_lengths(motion)

    def output_fps(self, motion: Motion) -> float:
        """As the model's."""
        return self.model.output_fps(motion)

    def transfer(
        self,
        motion: Motion,
        image: Tensor,
        settings: SamplingSettings | None = None,
        *,
        runtime: Runtime,
        **keywords: Any,
    ) -> Tensor:
        """As the model's, with the LoRAs."""
        from ...dismo_core.lora.plain import set_video_loras

        adapter = self.model.adapter
        try:
            self._release()
            set_video_loras(adapter.base.transformer, self.loras)
            return self.model.transfer(motion, image, settings, runtime=runtime, **keywords)
        finally:
            self._release()
            set_video_loras(adapter.base.transformer, {})

    def _release(self) -> None:
        """Layers are changed where they lie at rest."""
        if self.model.adapter.plan is not None:
            self.model.adapter.plan.release()


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
    def execute(cls, model: MotionVideoModel, lora: str, strength: float) -> io.NodeOutput:
        """Note the file; it is read when the model runs."""
        from ...dismo_core import DisMoError
        from ...dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel

        if lora == NONE or strength == 0:
            return io.NodeOutput(model)
        inner, before = (model.model, model.loras) if isinstance(model, WithLoRAs) else (model, {})
        if not isinstance(inner, CogVideoXModel):
            raise DisMoError(
                "This video model takes no LoRA: it is not CogVideoX. Connect Load CogVideoX Motion Adapter, or leave "
                "this node out."
            )
        path = files.full_path(FOLDER, lora)
        return io.NodeOutput(WithLoRAs(inner, before | {path: before.get(path, 0.0) + strength}))
