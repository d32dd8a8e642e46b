"""The content model of CMD: the noise in a content frame, given its class (docs/methods/content_motion.md, 3.5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from .dit import (
    Block,
    FinalLayer,
    PatchEmbedding,
    TimeEmbedding,
    check_width,
    fixed,
    folded,
    grid_of,
    initialise,
    preset_sizes,
    require_shape,
)
from .tables import laid_out


class LabelEmbedding(nn.Module):
    """[B] labels -> [B,width]; the last row stands for "no class"."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)
        nn.init.normal_(self.embedding_table.weight, std=0.02)

    def forward(self, labels: Tensor) -> Tensor:
        embedding: Tensor = self.embedding_table(labels)
        return embedding


class ContentDiT(nn.Module):
    """A diffusion transformer on content frames with a class each.

    Args:
        image_size: (H, W).
        channels: C.
        patch_size: of the content frame.
        num_classes: classes; the label `num_classes` means none.
        label_dropout: share of the labels that become "no class" in training mode.
        width: channels.
        depth: blocks.
        heads: of attention.
        table: "square" as released, "grid" for any sizes; what a checkpoint holds takes its place.

    Raises:
        DisMoError: sizes that patches or heads do not divide, or no such table.
    """

    def __init__(
        self,
        image_size: tuple[int, int] = (64, 64),
        channels: int = 3,
        patch_size: int = 2,
        num_classes: int = 101,
        label_dropout: float = 0.1,
        width: int = 1152,
        depth: int = 28,
        heads: int = 16,
        table: str = "square",
    ) -> None:
        super().__init__()
        check_width(width, heads)
        self.geometry: dict[str, Any] = {
            **dict(image_size=list(image_size), channels=channels, patch_size=patch_size, num_classes=num_classes),
            **dict(label_dropout=label_dropout, width=width, depth=depth, heads=heads, table=table),
        }
        self.image_size = (image_size[0], image_size[1])
        self.channels, self.patch_size = channels, patch_size
        self.num_classes, self.label_dropout = num_classes, label_dropout
        self.grid = grid_of(self.image_size, patch_size, "A content frame of")
        self.x_embedder = PatchEmbedding(channels, width, patch_size)
        self.t_embedder = TimeEmbedding(width)
        self.y_embedder = LabelEmbedding(num_classes, width)
        self.pos_embed = fixed(laid_out(table, width, *self.grid))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.final_layer = FinalLayer(width, patch_size**2 * 2 * channels)
        initialise(self)

    @classmethod
    def preset(cls, name: str, **sizes: Any) -> ContentDiT:
        """One of the published sizes, such as "L/2": S, B, L or XL, and patches of 2, 4 or 8. sizes: the other arguments."""
        return cls(**{**preset_sizes(name), **sizes})

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Predict noise and variance.

        Args:
            x: noisy content frames [B,C,H,W].
            t: time steps [B], 0..999.
            labels: int64 [B], 0..num_classes; see `check_labels`. In training mode some of them are dropped.

        Returns:
            [B,2C,H,W]: the noise, then the variance between its bounds.

        Raises:
            DisMoError: content frames of another size than this model's.
        """
        require_shape(x, (self.channels, *self.image_size), "The content frame")
        if self.training and self.label_dropout:
            dropped = torch.rand(labels.shape, device=labels.device) < self.label_dropout
            labels = labels.masked_fill(dropped, self.num_classes)
        tokens = self.x_embedder(x.to(self.pos_embed.dtype)) + self.pos_embed
        c = self.t_embedder(t) + self.y_embedder(labels)
        for block in self.blocks:
            tokens = block(tokens, c)
        return folded(self.final_layer(tokens, c), *self.grid, self.patch_size)

    def guided(self, x: Tensor, t: Tensor, labels: Tensor, cfg: float) -> Tensor:
        """Classifier-free guidance: noise u + cfg (c - u), u without a class; the variance is that of the class.

        Args:
            x: see `forward`.
            t: likewise.
            labels: likewise.
            cfg: 1 = no guidance, and the network runs once.
        """
        if cfg == 1:
            return self.forward(x, t, labels)
        both = torch.cat((labels, torch.full_like(labels, self.num_classes)))
        noise, variance = self(x.repeat(2, 1, 1, 1), t.repeat(2), both).chunk(2, dim=1)
        c, u = noise.chunk(2)
        return torch.cat((u + cfg * (c - u), variance[: len(x)]), dim=1)

    def check_labels(self, labels: Tensor) -> Tensor:
        """The labels, if all are 0..num_classes.

        Raises:
            DisMoError: some are not.
        """
        beyond = labels[(labels < 0) | (labels > self.num_classes)]
        if len(beyond):
            raise DisMoError(
                f"There is no class {int(beyond[0])}: this content model has {self.num_classes}, 0 to {self.num_classes - 1} "
                f"({self.num_classes} means no class)."
            )
        return labels
