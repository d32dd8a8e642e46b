"""DEMO's UNet: ModelScope's for text to video, with a motion transformer M in every level that has attention (Ruan et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...diffusion.unet_parts import Double, Halve, time_table
from ...errors import DisMoError
from ..noise_levels import PUBLISHED, alphas_cumprod
from .attention import HeldText, Text
from .blocks import Given, OnFrames, OnMotion, OnPixels, Residual, by_frame, by_sample

PREDICTIONS = ("noise", "sample")


class Stage(nn.Sequential):
    """Pieces of the UNet, one after the other, each with what it needs; numbered as in the published files."""

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        """[B F, C, h, w] -> the same with its own width and size, and the map of its M."""
        looked = None
        for piece in self:
            if isinstance(piece, OnMotion):
                x, looked = piece(x, given)
            elif isinstance(piece, (Residual, OnPixels, OnFrames)):
                x = piece(x, given)
            else:
                x = piece(x)
        return x, looked


class DownStage(Halve):
    """Half the size, as a stage of its own."""

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, None]:  # type: ignore[override]
        return super().forward(x), None


class UNet(nn.Module):
    """Noise in the latents of a clip, told what is seen and how it moves.

    Args:
        in_channels: of the latents.
        out_channels: likewise.
        width: of the first level.
        multipliers: on it, one for each level; what they give is rounded.
        blocks: residual blocks of a level.
        attention_scales: sizes, as shares of the latents' own, at which levels have attention; the middle has it always.
        head_width: of every attention.
        first_heads: of the very first transformer over frames.
        context_width: of the texts.
        dropout: in the residual blocks, in training.
        groups: of every group norm; they divide all widths.
        predicts: what the last layer says: "noise", as published, or "sample", the clean latents, which small networks say better where
            there is little but noise. What comes out is the noise either way.
        betas: first and last, see `alphas_cumprod`.
        coordinates: whether the first layer is also told where in the picture and when in the clip it is; a small network that sees few
            clips learns what "left" means much sooner then. The published one is not told.

    Attributes:
        checkpointing: compute activations a second time in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        width: int = 320,
        multipliers: Sequence[float] = (1, 2, 4, 4),
        blocks: int = 2,
        attention_scales: Sequence[float] = (1, 1 / 2, 1 / 4),
        head_width: int = 64,
        first_heads: int = 8,
        context_width: int = 1024,
        dropout: float = 0.1,
        groups: int = 32,
        predicts: str = "noise",
        betas: Sequence[float] = PUBLISHED,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        if predicts not in PREDICTIONS:
            raise ValueError(f"predicts is one of {', '.join(PREDICTIONS)}, not {predicts!r}")
        self.geometry: dict[str, Any] = {
            "in_channels": in_channels, "out_channels": out_channels, "width": width, "multipliers": list(multipliers),
            "blocks": blocks, "attention_scales": [float(scale) for scale in attention_scales], "head_width": head_width,
            "first_heads": first_heads, "context_width": context_width, "dropout": dropout, "groups": groups,
            "predicts": predicts, "betas": list(betas), "coordinates": coordinates,
        }  # fmt: skip
        self.checkpointing = False
        time = 4 * width
        widths = [round(factor * width) for factor in multipliers]

        def residual(before: int, after: int, scale: float) -> list[nn.Module]:
            pieces: list[nn.Module] = [Residual(before, after, time, dropout, groups)]
            if scale in self.geometry["attention_scales"]:
                pieces += self._attention(after)
            return pieces

        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        first = OnFrames(width, first_heads, head_width, groups)
        stages: list[nn.Module] = [Stage(nn.Conv2d(in_channels + 3 * coordinates, width, 3, padding=1), first)]
        now, scale, skips = width, 1.0, [width]
        for level, after in enumerate(widths):
            for _ in range(blocks):
                stages.append(Stage(*residual(now, after, scale)))
                now = after
                skips.append(now)
            if level < len(widths) - 1:
                stages.append(DownStage(now))
                skips.append(now)
                scale /= 2
        self.input_blocks = nn.ModuleList(stages)
        self.middle_block = Stage(
            Residual(now, now, time, dropout, groups), *self._attention(now), Residual(now, now, time, dropout, groups)
        )
        stages = []
        for level, after in reversed(list(enumerate(widths))):
            for number in range(blocks + 1):
                pieces = residual(now + skips.pop(), after, scale)
                now = after
                if level and number == blocks:
                    pieces.append(Double(now))
                stages.append(Stage(*pieces))
            scale *= 2
        self.output_blocks = nn.ModuleList(stages)
        self.out = nn.Sequential(nn.GroupNorm(groups, now), nn.SiLU(), nn.Conv2d(now, out_channels, 3, padding=1))

    def _attention(self, width: int) -> list[nn.Module]:
        head, context, groups = (self.geometry[name] for name in ("head_width", "context_width", "groups"))
        heads = width // head
        return [
            OnPixels(width, heads, head, context, groups),
            OnMotion(width, heads, head, context, groups),
            OnFrames(width, heads, head, groups),
        ]

    @property
    def betas(self) -> tuple[float, float]:
        """Of its noise levels, see `alphas_cumprod`."""
        first, last = self.geometry["betas"]
        return first, last

    @property
    def least(self) -> int:
        """Height and width of the latents are multiples of this."""
        return int(2 ** (len(self.geometry["multipliers"]) - 1))

    def stages(self) -> list[nn.Module]:
        """In order of execution."""
        return [*self.input_blocks, self.middle_block, *self.output_blocks]

    def motion_modules(self) -> list[OnMotion]:
        """Every M, in order of execution."""
        return [piece for stage in self.stages() for piece in stage.children() if isinstance(piece, OnMotion)]

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        content: Text,
        motion: Text,
        *,
        motion_strength: float = 1.0,
        eot_index: Tensor | None = None,
    ) -> Any:
        """The noise in x.

        Args:
            x: [B, C, F, h, w].
            t: noise level 0..999 of each sample, [B or 1].
            content: text of the content, [B or 1, L, D]; `HeldText` where several steps share it.
            motion: text of the motion, likewise.
            motion_strength: factor on what every M adds; 1 as published, 0 = the network without M.
            eot_index: [B], number of a token of the motion's text, its last as a rule.

        Returns:
            [B, C, F, h, w]; with `eot_index` a pair of that and the maps of every M: how much each place of a frame looks at that
            token, [B, h, w, F], in order of execution.

        Raises:
            DisMoError: a size that cannot be halved as often as the network does.
        """
        count, _, frames, height, width = x.shape
        if height % self.least or width % self.least:
            raise DisMoError(
                f"Latents of {height} x {width} do not fit the network: both must be multiples of {self.least}. Choose another size."
            )
        time = self.time_embed(time_table(t.expand(count), self.geometry["width"]).to(x.dtype))
        given = Given(time, content, motion, frames, motion_strength, eot_index)
        h, maps, skips = by_frame(x), [], []
        if self.geometry["coordinates"]:
            h = torch.cat((h, by_frame(_coordinates(x))), dim=1)
        for stage in self.input_blocks:
            h, looked = self._run(stage, h, given)
            skips.append(h)
            maps.append(looked)
        h, looked = self._run(self.middle_block, h, given)
        maps.append(looked)
        for stage in self.output_blocks:
            h, looked = self._run(stage, torch.cat((h, skips.pop()), dim=1), given)
            maps.append(looked)
        noise = by_sample(self.out(h), frames)
        if self.geometry["predicts"] == "sample":
            kept = alphas_cumprod(self.betas).to(t.device)[t].to(x.dtype)[:, None, None, None, None]
            noise = (x - kept.sqrt() * noise) / (1 - kept).sqrt()
        return noise if eot_index is None else (noise, [found for found in maps if found is not None])

    def _run(self, stage: nn.Module, x: Tensor, given: Given) -> tuple[Tensor, Tensor | None]:
        if self.checkpointing and torch.is_grad_enabled() and not isinstance(given.content, HeldText):
            found: tuple[Tensor, Tensor | None] = checkpoint(stage, x, given, use_reentrant=False)
            return found
        return stage(x, given)  # type: ignore[no-any-return]


def _coordinates(x: Tensor) -> Tensor:
    """Place and time of each latent of x [B, C, F, h, w], -1..1: [B, 3, F, h, w]."""
    lines = [torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype) for side in x.shape[2:]]
    return torch.stack(torch.meshgrid(*lines, indexing="ij")).expand(len(x), -1, -1, -1, -1)
