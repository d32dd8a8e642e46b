"""The denoising UNet: frames of a window, with motion modules, the body's features and the reference (docs/methods/mimo.md, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import DisMoError
from .unet import CHANNELS, FrameUNet, Pass, Pieces
from .unet_attention import ReferenceTokens
from .unet_layers import NORM_EPSILON, in_groups

WITH_OCCLUSION = 12  # input channels, with latents of what stands in front, as in the paper


class DenoisingUNet(FrameUNet):
    """Predicts the velocity of a window of frames.

    Args:
        channels: of the four levels.
        cross_attention_dim: width of the picture's embedding.
        heads: of all attentions.
        layers: resnets a level on the way down.
        groups: of the norms, but for those of the motion modules.
        in_channels: noisy latent and background latent; 12 with an occlusion latent.
        max_frames: of a window.
    """

    def __init__(
        self,
        channels: Sequence[int] = CHANNELS,
        cross_attention_dim: int = 768,
        heads: int = 8,
        layers: int = 2,
        groups: int = 32,
        in_channels: int = 8,
        max_frames: int = 32,
    ) -> None:
        super().__init__(in_channels, channels, cross_attention_dim, heads, layers, groups, max_frames)
        self.max_frames = max_frames
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], NORM_EPSILON)
        self.conv_out = nn.Conv2d(channels[0], 4, 3, padding=1)

    def forward(
        self,
        sample: Tensor,
        timestep: int | Tensor,
        context: Tensor,
        *,
        pose: Tensor | None = None,
        reference: Mapping[str, Tensor] | ReferenceTokens | None = None,
        reference_rows: Tensor | Sequence[bool] | None = None,
        pieces: Pieces | None = None,
    ) -> Tensor:
        """The velocity of each frame.

        Args:
            sample: [B, in_channels, F, h, w]: noisy latent, then background latent.
            timestep: of all rows, or [B].
            context: [B, 1, D], the picture's embedding; zeros for a row without guidance.
            pose: [B, C0, F, h, w] from the pose guider; None = none.
            reference: from the reference UNet, with 1 or B rows; as `ReferenceTokens` where it serves several calls; None = none.
            reference_rows: for each row, whether it sees the reference; None = all do.
            pieces: how much is computed at a time; None = all at once.

        Returns:
            [B, 4, F, h, w].

        Raises:
            DisMoError: another number of channels, more than `max_frames` frames, a pose of another size.
        """
        batch, channels, frames = sample.shape[:3]
        wanted = self.conv_in.in_channels
        if sample.ndim != 5 or channels != wanted:
            raise DisMoError(
                f"The sample must be [B, {wanted}, F, h, w], noisy and background latents, not {list(sample.shape)}."
            )
        if pose is not None and pose.shape != (batch, self.channels[0], frames, *sample.shape[3:]):
            raise DisMoError(
                f"The pose features must be {[batch, self.channels[0], frames, *sample.shape[3:]]}, not {list(pose.shape)}."
            )
        pieces = pieces or Pieces()
        run = Pass(
            time=self.embedded(timestep, sample).repeat_interleave(frames, 0),
            context=context.repeat_interleave(frames, 0),
            frames=frames,
            reference=ReferenceTokens(reference) if isinstance(reference, Mapping) else reference,
            sees=[True] * batch if reference_rows is None else [bool(sees) for sees in reference_rows],
            pieces=pieces,
            saving=self.gradient_checkpointing,
        )
        x = in_groups(self.conv_in, pieces.frames, rows_of(sample))
        if pose is not None:
            x = x + rows_of(pose)
        x = self.trunk(x, run)
        velocity = in_groups(self._output, pieces.frames, x)
        return velocity.unflatten(0, (batch, frames)).transpose(1, 2)  # type: ignore[no-any-return]

    def _output(self, x: Tensor) -> Tensor:
        velocity: Tensor = self.conv_out(F.silu(self.conv_norm_out(x)))
        return velocity


def rows_of(x: Tensor) -> Tensor:
    """[B, C, F, h, w] -> [B F, C, h, w]."""
    return x.transpose(1, 2).flatten(0, 1)
