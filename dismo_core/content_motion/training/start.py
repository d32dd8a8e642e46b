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

SHARPNESS = 60.0  # of a head that looks at one place, before softmax
TIMES = (-1, 1, -2, 2)  # frames
PLACES = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows and columns of patches


# 2 artanh(x), which the sigmoid at the end undoes, by straight pieces: the slope at 0, and by how much it grows at each place. Fitted
# by least squares of what comes out for -1..1; the error is 0.01.
SLOPE = 2.10
BENDS = ((0.492, 1.370), (0.811, 6.972))
CORNER = 8.0  # how sharp they are: of the gate, before GELU
STEADY = 3.0  # norm of what is added to each token, over the largest norm of its pixels: the same norm for all, nearly
MOTION_SIZE = 3.0  # factor on the weights that give the motion latent, so that it is not close to zero


@torch.no_grad()
def begin_as_mean(model: ContentMotionAutoencoder, frames: int, rows: int, columns: int) -> None:
    """Initialise in place: the content frame is the mean frame and the decoder gives it back, whatever the motion.

    A width above the values of a patch leaves directions to spare. In one of them every token gets the same number, so that LayerNorm
    keeps what is bright and dark; in the others comes the motion latent, beside the pixels and not over them.

    With rotary positions half of the heads of every layer look at the frames and patches beside their own, and one looks at the mean over
    time: what a token differs in from it is what moves, and what moves by less than a patch comes from the patches beside.

    Args:
        model: of pixels, wider than a patch has values by 2 and its motion channels; else the decoder begins random.
        frames: of the clips.
        rows: of patches.
        columns: likewise.
    """
    _zero(model.to_logit["1"])
    for layer in (model.pre_xt, model.pre_yt):
        layer.weight.mul_(MOTION_SIZE)
    embedding = model.to_patch_embedding_xy
    if model.mode == "pixel" and embedding.out_features >= embedding.in_features + 2 + model.motion_channels:
        _begin_decoder(model)
    if model.positions == "rotary":
        for transformer in (model.encoder, model.decoder):
            _look_beside(transformer, frames, rows, columns)


def _begin_decoder(model: ContentMotionAutoencoder) -> None:
    embedding, output = model.to_patch_embedding_xy, cast(nn.ConvTranspose2d, model.to_output["1"])
    values, width = embedding.in_features, embedding.out_features
    # Orthonormal directions, all of mean zero, so that LayerNorm takes nothing away from them.
    ones_first = torch.cat((torch.ones(width, 1), torch.randn(width, width - 1)), dim=1)
    directions = torch.linalg.qr(ones_first)[0][:, 1:]
    pixels, steady, spare = directions[:, :values], directions[:, values], directions[:, values + 1 :]
    embedding.weight.copy_(pixels)
    embedding.bias.copy_(STEADY * values**0.5 * steady)
    for layer in (model.post_xt, model.post_yt):
        _zero(layer)
        layer.weight.copy_((spare @ torch.randn(spare.shape[1], model.motion_channels))[..., None, None])
    _zero(output)
    p, channels = model.patch_size, model.channels
    # A patch is row, column, channel; the transposed convolution has [width, channel, row, column].
    output.weight.copy_((SLOPE * pixels.T).reshape(p, p, channels, width).permute(3, 2, 0, 1))
    for part in _parts(model.decoder):
        _zero(part.fn.proj if isinstance(part.fn, SelfAttention) else cast(GatedFeedForward, part.fn).net["3"])
    _bend(cast(GatedFeedForward, _parts(model.decoder)[-1].fn), pixels)


def _bend(layer: GatedFeedForward, pixels: Tensor) -> None:
    """Let the last layer add to each pixel what its value needs for the sigmoid: units of value 1 behind gates that open at a bend."""
    width, values = pixels.shape
    norm = (values * (STEADY**2 + 0.4) / width) ** 0.5  # what LayerNorm divides by; 0.4: mean square of a pixel, about
    inner, outer = cast(nn.Linear, layer.net["0"]), cast(nn.Linear, layer.net["3"])
    gates = outer.in_features
    units = iter(torch.arange(gates).split(values))
    for place, growth in BENDS:
        for sign in (1.0, -1.0):
            unit = next(units)
            inner.weight[unit], inner.bias[unit] = 0.0, 1.0
            inner.weight[gates + unit], inner.bias[gates + unit] = sign * CORNER * norm * pixels.T, -CORNER * place
            outer.weight[:, unit] = sign * growth / (CORNER * SLOPE) * pixels


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
