"""The pieces of DEMO's UNet: residual blocks, and transformers over pixels (S), over frames (T), and over frames with a text (M).

Frames are folded into the batch, those of a sample one after the other: [B F, C, h, w].
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .attention import Text, TransformerBlock


@dataclass(frozen=True)
class Given:
    """What the pieces are told beside their input.

    Args:
        time: embedding of the noise level, [B, E].
        content: text of the content, [B or 1, L, D].
        motion: text of the motion, likewise.
        frames: of a sample.
        motion_strength: factor on what M adds.
        eot_index: [B], the text token whose maps are wanted; None = none.
    """

    time: Tensor
    content: Text
    motion: Text
    frames: int
    motion_strength: float = 1.0
    eot_index: Tensor | None = None


def by_sample(x: Tensor, frames: int) -> Tensor:
    """[B F, C, h, w] -> [B, C, F, h, w]."""
    split: Tensor = x.unflatten(0, (-1, frames))
    return split.transpose(1, 2)


def by_frame(x: Tensor) -> Tensor:
    """[B, C, F, h, w] -> [B F, C, h, w]."""
    return x.transpose(1, 2).flatten(0, 1)


class TemporalConvolution(nn.Module):
    """Four convolutions over three frames each, added to their input.

    Args:
        width: channels.
        dropout: before the last three.
        groups: of the norms.
    """

    def __init__(self, width: int, dropout: float, groups: int) -> None:
        super().__init__()

        def step(*between: nn.Module) -> nn.Sequential:
            convolution = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
            return nn.Sequential(nn.GroupNorm(groups, width), nn.SiLU(), *between, convolution)

        self.conv1 = step()
        self.conv2, self.conv3, self.conv4 = (step(nn.Dropout(dropout)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, F, h, w] -> the same."""
        out: Tensor = x + self.conv4(self.conv3(self.conv2(self.conv1(x))))
        return out


class Residual(nn.Module):
    """Two convolutions in a frame, told the noise level, then a `TemporalConvolution`."""

    def __init__(self, width: int, out_width: int, time_width: int, dropout: float, groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, width), nn.SiLU(), nn.Conv2d(width, out_width, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_width, out_width))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, out_width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv2d(out_width, out_width, 3, padding=1),
        )
        self.skip_connection = nn.Identity() if width == out_width else nn.Conv2d(width, out_width, 1)
        self.temopral_conv = TemporalConvolution(out_width, dropout, groups)  # spelled as published

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """[B F, C, h, w] -> [B F, out width, h, w]."""
        told = self.emb_layers(given.time).repeat_interleave(given.frames, dim=0)
        h = self.out_layers(self.in_layers(x) + told[:, :, None, None])
        out: Tensor = self.temopral_conv(by_sample(self.skip_connection(x) + h, given.frames))
        return by_frame(out)


class OnPixels(nn.Module):
    """S: each frame's pixels look at each other and at the text of the content."""

    def __init__(self, width: int, heads: int, head_width: int, context_width: int, groups: int) -> None:
        super().__init__()
        inner = heads * head_width
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, inner)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(heads, head_width, context_width)])
        self.proj_out = nn.Linear(inner, width)

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """[B F, C, h, w] -> the same."""
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        tokens, _ = self.transformer_blocks[0](tokens, given.content)
        added: Tensor = self.proj_out(tokens).transpose(1, 2).reshape(x.shape)
        return x + added


def frame_tokens(norm: nn.GroupNorm, x: Tensor, frames: int) -> Tensor:
    """The frames of each pixel [B h w, F, C] of [B F, C, h, w], normed over all frames at once."""
    normed: Tensor = norm(by_sample(x, frames))
    return normed.permute(0, 3, 4, 2, 1).flatten(0, 2)


def from_frame_tokens(tokens: Tensor, like: Tensor) -> Tensor:
    """The inverse, without the norm."""
    height, width = like.shape[2:]
    folded: Tensor = tokens.unflatten(0, (-1, height, width))  # [B, h, w, F, C]
    return folded.permute(0, 3, 4, 1, 2).flatten(0, 1)


class OnMotion(nn.Module):
    """M: the frames of a pixel look at each other and at the text of the motion (Ruan et al. 2024, arXiv:2410.24219, section 3)."""

    def __init__(self, width: int, heads: int, head_width: int, context_width: int, groups: int) -> None:
        super().__init__()
        inner = heads * head_width
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, inner)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(heads, head_width, context_width)])
        self.proj_out = nn.Linear(inner, width)

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor | None]:
        """[B F, C, h, w] -> the same, and how much each place looks at the token `eot_index`, [B, h, w, F], if that is given."""
        if given.motion_strength == 0 and given.eot_index is None:
            return x, None
        tokens = self.proj_in(frame_tokens(self.norm, x, given.frames))
        tokens, looked = self.transformer_blocks[0](tokens, given.motion, given.eot_index)
        out = x + given.motion_strength * from_frame_tokens(self.proj_out(tokens), x)
        if given.eot_index is None:
            return out, None
        return out, looked.reshape(-1, *x.shape[2:], given.frames)


class Pointwise(nn.Conv1d):
    """A convolution over one token, for tokens [N, F, C]: the published files have it so where a linear would do."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__(width, out_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight[..., 0], self.bias)


class OnFrames(nn.Module):
    """T: the frames of a pixel look at each other, twice."""

    def __init__(self, width: int, heads: int, head_width: int, groups: int) -> None:
        super().__init__()
        inner = heads * head_width
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = Pointwise(width, inner)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(heads, head_width, None)])
        self.proj_out = Pointwise(inner, width)

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """[B F, C, h, w] -> the same."""
        tokens = self.proj_in(frame_tokens(self.norm, x, given.frames))
        tokens, _ = self.transformer_blocks[0](tokens)
        return x + from_frame_tokens(self.proj_out(tokens), x)
