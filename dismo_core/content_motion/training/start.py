"""Weights of an autoencoder to begin with: it gives the mean frame, and some heads look at neighbors in time and space.

Attention by position alone works as a convolution does (d'Ascoli et al. 2021, arXiv:2103.10697, section 3). Nothing is frozen.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..models.attention import SelfAttention
from ..models.autoencoder import ContentMotionAutoencoder
from ..models.rotary import rotate
from ..models.space_time import GatedFeedForward, Normed, SpaceTimeTransformer

NEAR_ZERO = 2.4  # x about 2 sigmoid(2.4 x) - 1 for most of -1..1
SHARPNESS = 60.0  # of a head that looks at one place, before softmax
TIMES = (-1, 1, -2, 2)  # frames
PLACES = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows and columns of patches


@torch.no_grad()
def begin_as_mean(model: ContentMotionAutoencoder, frames: int, rows: int, columns: int) -> None:
    """Initialise in place: the content frame is the mean frame and the decoder gives it back, whatever the motion.

    With rotary positions half of the heads of every layer look at the frames and patches beside their own, and one looks at the mean over
    time: what a token differs in from it is what moves, and what moves by less than a patch comes from the patches beside.

    Args:
        model: of pixels, whose patch has no more values than the width; else the decoder begins random.
        frames: of the clips.
        rows: of patches.
        columns: likewise.
    """
    _zero(model.to_logit["1"])
    embedding = model.to_patch_embedding_xy
    values, width = embedding.in_features, embedding.out_features
    if model.mode == "pixel" and values <= width:
        nn.init.orthogonal_(embedding.weight)
        nn.init.zeros_(embedding.bias)
        output = model.to_output["1"]
        _zero(output)
        p, channels = model.patch_size, model.channels
        # A patch is row, column, channel; the transposed convolution has [width, channel, row, column].
        taps = embedding.weight.T.reshape(p, p, channels, width).permute(3, 2, 0, 1)
        cast(nn.ConvTranspose2d, output).weight.copy_(NEAR_ZERO * taps)
        for part in _parts(model.decoder):
            _zero(part.fn.proj if isinstance(part.fn, SelfAttention) else cast(GatedFeedForward, part.fn).net["3"])
        for layer in (model.post_xt, model.post_yt):
            _zero(layer)
            nn.init.normal_(layer.weight, std=0.02)
    if model.positions == "rotary":
        for transformer in (model.encoder, model.decoder):
            _look_beside(transformer, frames, rows, columns)


def _look_beside(transformer: SpaceTimeTransformer, frames: int, rows: int, columns: int) -> None:
    times, places = transformer.frame_rot_emb(frames), transformer.image_rot_emb(rows, columns)
    middle, centre = frames // 2, rows // 2 * columns + columns // 2
    parts = [part.fn for part in _parts(transformer)]
    for over_time, over_space in zip(parts[::3], parts[1::3], strict=True):
        over_time, over_space = cast(SelfAttention, over_time), cast(SelfAttention, over_space)
        heads = over_time.heads // 2
        for head, offset in zip(range(heads), TIMES, strict=False):
            _aim(over_time, head, times[middle], times[middle + offset])
        _aim(over_time, heads, None, None)
        for head, (down, along) in zip(range(heads), PLACES, strict=False):
            _aim(over_space, head, places[centre], places[centre + down * columns + along])


def _parts(transformer: SpaceTimeTransformer) -> list[Normed]:
    return [cast(Normed, part) for layer in transformer.layers for part in cast(nn.ModuleList, layer)]


def _zero(layer: nn.Module) -> None:
    for weight in layer.parameters():
        nn.init.zeros_(weight)


def _aim(attention: SelfAttention, head: int, here: Tensor | None, there: Tensor | None) -> None:
    """Let a head look from a place at another, by position alone; at all alike where none is given."""
    size = attention.proj.in_features // attention.heads
    query, key = (slice(part + head * size, part + (head + 1) * size) for part in (0, attention.proj.in_features))
    for part in (query, key):
        nn.init.zeros_(attention.qkv.weight[part])
        nn.init.zeros_(attention.qkv.bias[part])
    if here is None or there is None:
        return
    plain = torch.tensor([1.0, 0.0]).repeat(size // 2)[None]
    scale = (
        2 * SHARPNESS
    ) ** 0.5 / size**0.25  # the product of two such vectors, divided by the root of their length, is SHARPNESS
    # Turned back by the one and forth by the other, the query meets the key best where their distance is this one.
    attention.qkv.bias[query] = scale * rotate(plain, (there - here)[None])[0]
    attention.qkv.bias[key] = scale * plain[0]
