"""The networks that are trained, and which of their weights each stage trains (docs/methods/mimo.md, 8)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...errors import DisMoError
from ..models.denoising_unet import DenoisingUNet
from ..models.pose_guider import PoseGuider
from ..models.reference_unet import ReferenceUNet
from .objective import training_loss

STAGES = ("stage1", "stage2")
_MOTION = ".motion_modules."
_UNUSED = (
    "reference_unet.up_blocks.3."  # stays as it is: behind its last attention nothing of the reference UNet is seen
)


class Networks(nn.Module):
    """Reference UNet, denoising UNet and pose guider as one module, for the training loop."""

    def __init__(self, reference_unet: ReferenceUNet, denoising_unet: DenoisingUNet, pose_guider: PoseGuider) -> None:
        super().__init__()
        self.reference_unet, self.denoising_unet, self.pose_guider = reference_unet, denoising_unet, pose_guider

    def forward(self, **inputs: Any) -> Tensor:
        """The loss; inputs as of `training_loss`."""
        return training_loss(self.reference_unet, self.denoising_unet, self.pose_guider, **inputs)

    def train_stage(self, stage: str, *, from_nothing: bool = False) -> None:
        """Let only the weights of a stage have gradients.

        Args:
            stage: stage1, all but the motion modules and the reference UNet's `up_blocks.3`; stage2, the motion modules.
            from_nothing: whether nothing was trained before, so that `up_blocks.3` is trained, too.
        """
        if stage not in STAGES:
            raise DisMoError(f"There is no stage {stage!r} of MIMO's training. Choose one of {', '.join(STAGES)}.")
        for name, weight in self.named_parameters():
            motion = _MOTION in name
            trained = motion if stage == "stage2" else not motion and (from_nothing or not name.startswith(_UNUSED))
            weight.requires_grad_(trained)

    def save_activations(self, saving: bool) -> None:
        """Gradient checkpointing of both UNets, on or off."""
        self.reference_unet.gradient_checkpointing = self.denoising_unet.gradient_checkpointing = saving
