"""What is trained, as one module: the UNet's motion modules and the upper blocks of the motion encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..losses import Flow, regularization_loss, training_losses
from ..models.towers import TextTower
from ..models.unet import UNet

FIRST_TRAINED = 10  # block of the published motion encoder
NAMES = {
    "diffusion": "Train/Samples/diffusion_loss",
    "video_motion": "Train/Samples/video_motion_loss",
    "text_motion": "Train/Samples/text_motion_loss",
    "regularization": "Train/Samples/regularization_loss",
}  # as TensorBoard shows them


@dataclass(frozen=True)
class LossWeights:
    """Of the parts of the loss; the error of the noise has 1.

    Args:
        video_motion: differences of neighbouring frames.
        text_motion: flow of the maps against that of the clip.
        regularization: the motion's text against a frame.
    """

    video_motion: float = 0.1
    text_motion: float = 0.1
    regularization: float = 0.1


@dataclass(frozen=True)
class Batch:
    """Samples of a step, on the device.

    Args:
        latents: [B, C, F, h, w].
        t: [B].
        noise: as the latents.
        content: text states, [B, L, D].
        tokens: of the motion's text, [B, L].
        eot_index: [B].
        video: [B, F, 3, H, W]; None where no flow is measured.
        image: embeddings of a frame, [B, D]; None where nothing is held to them.
    """

    latents: Tensor
    t: Tensor
    noise: Tensor
    content: Tensor
    tokens: Tensor
    eot_index: Tensor
    video: Tensor | None = None
    image: Tensor | None = None


class MotionHalf(nn.Module):
    """UNet and motion encoder; parameters that are not trained need no gradients.

    Args:
        unet: with its motion modules.
        motion_encoder: reads the motion's text.
        freeze_unet: whether only the motion modules of the UNet are trained.
        first_block: of the encoder that is trained.
    """

    def __init__(
        self, unet: UNet, motion_encoder: TextTower, freeze_unet: bool = True, first_block: int = FIRST_TRAINED
    ) -> None:
        super().__init__()
        self.unet, self.motion_encoder = unet.float(), motion_encoder.float()
        self.unet.requires_grad_(not freeze_unet)
        for module in self.unet.motion_modules():
            module.requires_grad_(True)
        self.motion_encoder.requires_grad_(False)
        blocks: Any = self.motion_encoder.transformer.resblocks
        for block in blocks[first_block : self.motion_encoder.geometry["layers"] - 1]:
            block.requires_grad_(True)
        self.unet.checkpointing = True
        self.train()

    def trained(self) -> set[str]:
        """Names of what is trained."""
        return {name for name, weight in self.named_parameters() if weight.requires_grad}

    def forward(
        self,
        batch: Batch,
        weights: LossWeights,
        flow: Flow | None,
        video_motion: str,
        text_motion_gradient: bool,
        diffusion: str = "noise",
    ) -> dict[str, Tensor]:
        """Mean losses under TensorBoard's names, and "loss", their weighted sum."""
        states = self.motion_encoder(batch.tokens)
        parts = training_losses(
            self.unet, batch.latents, batch.t, batch.noise, batch.content, states, batch.eot_index, video=batch.video, flow=flow,
            video_motion=video_motion, diffusion=diffusion, betas=self.unet.betas,
        )  # fmt: skip
        if batch.image is not None:
            parts["regularization"] = regularization_loss(states, batch.eot_index, batch.image)
        if "text_motion" in parts and not text_motion_gradient:
            parts["text_motion"] = parts["text_motion"].detach()
        means = {name: value.mean() for name, value in parts.items()}
        total = means["diffusion"] + sum(
            (getattr(weights, name) * value for name, value in means.items() if name != "diffusion"), torch.zeros(())
        )
        return {"loss": total, **{NAMES[name]: value for name, value in means.items()}}
