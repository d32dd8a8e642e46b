"""The UNet of Stable Diffusion 1.5, run on each frame, with motion modules where they are asked for.

What a block needs beside its input is a value that is passed, `Pass`; nothing is kept in the modules, so that two
computations may run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .motion_module import MotionModule
from .unet_attention import Reference, ReferenceTokens, SpatialTransformer
from .unet_layers import Downsample, ResnetBlock, TimeEmbedding, Upsample, in_groups

CHANNELS = (320, 640, 1280, 1280)


@dataclass(frozen=True)
class Pieces:
    """How much is computed at a time; None = all. The result is the same.

    Args:
        frames: in the layers that look at one frame.
        pixels: in the motion modules.
    """

    frames: int | None = None
    pixels: int | None = None


@dataclass(frozen=True)
class Pass:
    """One run through a UNet.

    Args:
        time: [n, C] time embedding of each frame.
        context: [n, 1, D] picture embedding of each frame.
        frames: of a batch row.
        reference: tokens of the reference picture; None = there is none.
        sees: for each batch row, whether it sees the reference.
        keep: called with a block's name and the normalised input of its self-attention.
        pieces: see there.
        saving: whether activations are computed again in the backward pass instead of kept.
    """

    time: Tensor
    context: Tensor
    frames: int = 1
    reference: ReferenceTokens | None = None
    sees: Sequence[bool] = ()
    keep: Callable[[str, Tensor], None] | None = None
    pieces: Pieces = Pieces()
    saving: bool = False

    def resnet(self, layer: ResnetBlock, *parts: Tensor) -> Tensor:
        """A resnet on frames whose channels are those of `parts`, one after the other."""

        def run(time: Tensor, *some: Tensor) -> Tensor:
            out: Tensor = layer(some[0] if len(some) == 1 else torch.cat(some, 1), time)
            return out

        return self._run(lambda *rows: in_groups(run, self.pieces.frames, self.time, *rows), *parts)

    def spatial(self, layer: SpatialTransformer, name: str, x: Tensor) -> Tensor:
        """A spatial transformer on frames."""
        name = f"{name}.transformer_blocks.0"
        keep = None if self.keep is None else lambda tokens: self.keep(name, tokens)  # type: ignore[misc]
        reference = Reference(name, self.reference, self.sees, self.frames, keep)
        index = torch.arange(len(x), device="cpu")  # so that a group knows which frames it has

        def run(numbers: Tensor, context: Tensor, some: Tensor) -> Tensor:
            out: Tensor = layer(some, context, reference, int(numbers[0]))
            return out

        return self._run(lambda rows: in_groups(run, self.pieces.frames, index, self.context, rows), x)

    def temporal(self, layer: MotionModule, x: Tensor) -> Tensor:
        """A motion module on frames."""
        pixels = None if torch.is_grad_enabled() else self.pieces.pixels
        return self._run(lambda rows: layer(rows, self.frames, pixels), x)

    def _run(self, function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        if self.saving and torch.is_grad_enabled():
            saved: Tensor = checkpoint(function, *rows, use_reentrant=False)
            return saved
        return function(*rows)


class Level(nn.Module):
    """Resnets of one level of the UNet, each followed by its transformer and motion module, and a change of size.

    Args:
        name: of the level in the UNet.
        inputs: channels of the input of each resnet.
        channels: of their outputs.
        time_channels: of the time embedding.
        attention: (heads, context width) of the transformers; None = there are none.
        groups: of the norms.
        motion: (heads, positions) of the motion modules; None = there are none.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[int],
        channels: int,
        time_channels: int,
        attention: tuple[int, int] | None,
        groups: int,
        motion: tuple[int, int] | None,
    ) -> None:
        super().__init__()
        self.name = name
        self.resnets = nn.ModuleList([ResnetBlock(size, channels, time_channels, groups) for size in inputs])
        count = self._between(len(inputs))
        self.attentions = (
            None
            if attention is None
            else nn.ModuleList([SpatialTransformer(channels, *attention, groups) for _ in range(count)])
        )
        self.motion_modules = (
            None if motion is None else nn.ModuleList([MotionModule(channels, *motion) for _ in range(count)])
        )

    def _between(self, resnets: int) -> int:
        """Transformers, and motion modules, for so many resnets."""
        return resnets

    def _after(self, number: int, x: Tensor, run: Pass) -> Tensor:
        if self.attentions is not None:
            x = run.spatial(self.attentions[number], f"{self.name}.attentions.{number}", x)  # type: ignore[arg-type]
        if self.motion_modules is not None:
            x = run.temporal(self.motion_modules[number], x)  # type: ignore[arg-type]
        return x


class DownLevel(Level):
    """See `Level`; `last`: it does not halve the size."""

    def __init__(self, *args: Any, last: bool) -> None:
        super().__init__(*args)
        self.downsamplers = None if last else nn.ModuleList([Downsample(args[2])])

    def forward(self, x: Tensor, run: Pass) -> tuple[Tensor, ...]:
        """[n, C, h, w] -> what the way up takes up again, in order; the last one is the output."""
        kept = []
        for number, resnet in enumerate(self.resnets):
            x = self._after(number, run.resnet(resnet, x), run)  # type: ignore[arg-type]
            kept.append(x)
        if self.downsamplers is not None:
            kept.append(in_groups(self.downsamplers[0], run.pieces.frames, x))
        return tuple(kept)


class MiddleLevel(Level):
    """See `Level`: resnet, attention, motion module, resnet."""

    def _between(self, resnets: int) -> int:
        return resnets - 1

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """[n, C, h, w] -> the same."""
        x = self._after(0, run.resnet(self.resnets[0], x), run)  # type: ignore[arg-type]
        return run.resnet(self.resnets[1], x)  # type: ignore[arg-type]


class UpLevel(Level):
    """See `Level`; `last`: it does not double the size."""

    def __init__(self, *args: Any, last: bool) -> None:
        super().__init__(*args)
        self.upsamplers = None if last else nn.ModuleList([Upsample(args[2])])

    def forward(self, x: Tensor, skips: list[Tensor], size: tuple[int, ...], run: Pass) -> Tensor:
        """[n, C, h, w] -> [n, channels, *size].

        Args:
            x: output of the level before.
            skips: one for each resnet, in their order; each is let go when it has been used.
            size: that the next level has.
            run: see there.
        """
        for number, resnet in enumerate(self.resnets):
            x = self._after(number, run.resnet(resnet, x, skips.pop(0)), run)  # type: ignore[arg-type]
        if self.upsamplers is not None:
            layer = self.upsamplers[0]
            x = in_groups(lambda rows: layer(rows, size), run.pieces.frames, x)
        return x


class FrameUNet(nn.Module):
    """What both UNets of MIMO share.

    Args:
        in_channels: of the latents.
        channels: of the four levels.
        cross_attention_dim: width of the picture's embedding.
        heads: of all attentions.
        layers: resnets a level on the way down; one more on the way up.
        groups: of the norms.
        max_frames: positions of the motion modules; None = there are none.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        cross_attention_dim: int,
        heads: int,
        layers: int,
        groups: int,
        max_frames: int | None,
    ) -> None:
        super().__init__()
        self.channels, self.heads, self.groups = tuple(channels), heads, groups
        self.gradient_checkpointing = False
        time_channels = 4 * channels[0]
        attention = (heads, cross_attention_dim)
        motion = None if max_frames is None else (heads, max_frames)
        deepest = len(channels) - 1
        self.conv_in = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], time_channels)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        kept = [channels[0]]
        for level, size in enumerate(channels):
            inputs = [kept[-1]] + [size] * (layers - 1)
            has = None if level == deepest else attention
            self.down_blocks.append(
                DownLevel(
                    f"down_blocks.{level}", inputs, size, time_channels, has, groups, motion, last=level == deepest
                )
            )
            kept += [size] * (layers + (level < deepest))
        self.mid_block = MiddleLevel(
            "mid_block", [channels[-1]] * 2, channels[-1], time_channels, attention, groups, motion
        )
        before = channels[-1]
        for level, size in enumerate(reversed(channels)):
            inputs = []
            for _ in range(layers + 1):
                inputs.append(before + kept.pop())
                before = size
            has = None if level == 0 else attention
            self.up_blocks.append(
                UpLevel(f"up_blocks.{level}", inputs, size, time_channels, has, groups, motion, last=level == deepest)
            )

    def embedded(self, timestep: int | Tensor, sample: Tensor) -> Tensor:
        """The time embedding [B, C] of one timestep, or of one a row, for a sample [B, ...]."""
        steps = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        embedding: Tensor = self.time_embedding(steps, sample.dtype)
        return embedding

    def trunk(self, x: Tensor, run: Pass) -> Tensor:
        """All levels, on [n, C, h, w] after the first convolution."""
        skips = [x]
        for down in self.down_blocks:
            kept = down(x, run)
            skips += kept
            x = kept[-1]
            del kept
        x = self.mid_block(x, run)
        size = x.shape[2:]
        for up in self.up_blocks:
            # a list that only the block holds; memory hooks hand it a copy of another one
            taken = len(up.resnets)  # type: ignore[arg-type]
            size = skips[-taken - 1].shape[2:] if len(skips) > taken else size
            x = up(x, [skips.pop() for _ in range(taken)], tuple(size), run)
        return x
