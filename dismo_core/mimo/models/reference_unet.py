"""The reference UNet: what each attention of the denoising UNet sees of the reference picture (docs/methods/mimo.md, 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .unet import CHANNELS, FrameUNet, Pass


class ReferenceUNet(FrameUNet):
    """Stable Diffusion's UNet without its output; gives the tokens of its self-attentions.

    Args:
        channels: of the four levels.
        cross_attention_dim: width of the picture's embedding.
        heads: of all attentions.
        layers: resnets a level on the way down.
        groups: of the norms.
    """

    def __init__(
        self,
        channels: Sequence[int] = CHANNELS,
        cross_attention_dim: int = 768,
        heads: int = 8,
        layers: int = 2,
        groups: int = 32,
    ) -> None:
        super().__init__(4, channels, cross_attention_dim, heads, layers, groups, None)

    def forward(
        self,
        latent: Tensor,
        context: Tensor,
        timestep: int | Tensor = 0,
    ) -> dict[str, Tensor]:
        """The normalised input of each block's self-attention.

        Args:
            latent: [B, 4, h, w], clean.
            context: [B, 1, D], the picture's embedding.
            timestep: 0, as published.

        Returns:
            Name of a transformer block -> [B, h w, C], 16 of them, in the order of the way through.
        """
        tokens: dict[str, Tensor] = {}
        run = Pass(
            time=self.embedded(timestep, latent),
            context=context,
            keep=tokens.__setitem__,
            saving=self.gradient_checkpointing,
        )
        self.trunk(self.conv_in(latent), run)
        return tokens
