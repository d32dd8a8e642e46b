"""A starting point that already looks around: some heads attend by position alone, as a convolution would.

From DisMo's own start (all residual branches at zero, attention by content) a small model spends most of a CPU budget on
finding out that neighbours in space and time matter. Initialising heads as convolution taps follows d'Ascoli et al. 2021
(ConViT) and Trockman & Kolter 2023 (mimetic initialisation). Nothing is frozen: training is free to leave it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..models.dino import PATCH, TABLE_SIDE, FrameEncoder
from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..models.layers import AdaptiveRMSNorm
from ..models.transformer import TransformerLayer

CONSTANT = 8  # channels of every token that hold the same value everywhere: what position-only queries and keys read
SHARPNESS = 30.0  # attention scale of a position-only head (content heads start at 10)


def start_extractor(model: MotionExtractor, patches: Tensor) -> None:
    """Initialise in place.

    Args:
        patches: [N, 3, 14, 14] normalised patches of drawn frames; their principal components start the patch embedding.
    """
    start_encoder(model.frame_encoder, patches, flatten=0.3)
    with torch.no_grad():
        nn.init.orthogonal_(model.proj.weight)
        _pass_constants(model.proj.weight)
        model.query_tokens[..., :CONSTANT] = 1.0
    step = 2 / model.frame_encoder.side
    taps = [(1, 0, 0), (-1, 0, 0), (3, 0, 0)]
    near = [(1, step, 0), (1, -step, 0), (1, 0, step), (1, 0, -step)]
    frequencies = torch.cat((model.pos_emb.temporal_freqs[None], model.pos_emb.spatial_freqs))  # [3, heads, d_head/8]
    # The queries gather whole frames: now, next, the one after, the last they may see.
    gathered = [(ahead, 0, 0) for ahead in (0, 1, 2, 4)]
    layers = _layers(model.layers)
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        aimed = index < 2 or last
        wake(layer, 1.0 if aimed else 0.1)
        if not aimed:
            continue
        offsets = gathered if last else (taps, near)[index]
        weights = (1.0, 0.0, 0.0) if last else (0.5, 0.25, 0.25)
        for head in range(layer.heads):
            aim_self(layer, head, frequencies[:, head], offsets[head % len(offsets)], weights)
        if index == 0:  # the last head takes the mean of the whole frame: what stands out from it is a thing
            aim_self(layer, layer.heads - 1, frequencies[:, layer.heads - 1], (0, 0, 0), (1.0, 0.0, 0.0))


def start_generator(model: FrameGenerator, patches: Tensor) -> None:
    """Initialise in place: from the second layer on, cross-attention heads start at the same place and its neighbours."""
    start_encoder(model.source_encoder, patches, flatten=0.6)
    step = 2 / model.source_encoder.side
    offsets = [
        (0, 0),
        (0, step),
        (0, -step),
        (step, 0),
        (-step, 0),
        (0, 2 * step),
        (0, -2 * step),
        (2 * step, 0),
        (-2 * step, 0),
    ]
    for index, layer in enumerate(_layers(model.transformer.layers)):
        wake(layer, 0.5)
        with torch.no_grad():
            width = layer.cross_kv.weight.shape[0] // 2
            layer.cross_kv.weight[width : width + CONSTANT] = 0
            if index == 0:  # brings the constant channels of the source tokens into the stream, whatever it attends to
                layer.cross_kv.weight[width : width + CONSTANT, :CONSTANT] = torch.eye(CONSTANT)
                layer.cross_out.weight[:CONSTANT] = 0
                layer.cross_out.weight[:CONSTANT, :CONSTANT] = torch.eye(CONSTANT)
            else:
                layer.cross_out.weight[:CONSTANT] = 0
            layer.self_out.weight[:CONSTANT] = 0
        if index > 0:
            frequencies = model.transformer.pos_emb.freqs
            for head in range(layer.heads):
                aim_cross(
                    layer,
                    head,
                    frequencies[:, head],
                    offsets[(head + (index - 1) * 3) % len(offsets)] if head else (0, 0),
                )
    with torch.no_grad():
        # At nearly pure noise the velocity is nearly the noisy latent itself: start with that instead of with nothing.
        merge, split = model.token_merge.proj.weight, model.token_split.proj.weight
        merge[:CONSTANT] = 0
        nn.init.orthogonal_(merge[CONSTANT:])
        split.copy_(merge.T * math.sqrt(split.shape[0] / split.shape[1]))
        nn.init.normal_(model.motion_proj.weight, std=0.5 / math.sqrt(model.motion_proj.weight.shape[1]))
        for norm in model.transformer.modules():
            if isinstance(norm, AdaptiveRMSNorm):
                nn.init.normal_(norm.linear.weight, std=0.3 / math.sqrt(norm.linear.weight.shape[1]))


def start_encoder(encoder: FrameEncoder, patches: Tensor, flatten: float) -> None:
    """Patch embedding = principal components, positions = sines and cosines, blocks small, some constant channels."""
    model = encoder.model
    width = encoder.embed_dim
    with torch.no_grad():
        flat = patches.flatten(1)
        _, values, components = torch.linalg.svd(flat - flat.mean(dim=0), full_matrices=False)
        count = width - CONSTANT - 16
        # Components are brought to falling, not equal, strength: fine detail is kept, yet does not drown the rest.
        strength = (values[:count] / math.sqrt(len(flat))).clamp_min(1e-3)
        scale = strength**-flatten
        weight, bias = model.patch_embed.proj.weight, model.patch_embed.proj.bias
        assert bias is not None
        weight.zero_()
        bias.zero_()
        weight[-count:] = (components[:count] * scale[:, None]).view(count, 3, PATCH, PATCH)
        bias[-count:] = -(components[:count] @ flat.mean(dim=0)) * scale
        model.pos_embed.zero_()
        axis = (torch.arange(TABLE_SIDE) + 0.5) / TABLE_SIDE * 2 - 1
        for k in range(4):
            for part, wave in enumerate((torch.sin, torch.cos)):
                value = wave(math.pi / 2 * (k + 1) * axis)
                table = model.pos_embed[0, 1:].view(TABLE_SIDE, TABLE_SIDE, width)
                table[..., CONSTANT + 4 * k + 2 * part] = value[:, None]
                table[..., CONSTANT + 4 * k + 2 * part + 1] = value[None]
        for name, gamma in model.blocks.named_parameters():
            if name.endswith("gamma"):
                gamma.fill_(0.1)
        model.norm.weight[:CONSTANT] = 0
        model.norm.bias[:CONSTANT] = 1
        model.mask_token.requires_grad_(False)
        model.pos_embed.requires_grad_(False)


def _layers(modules: nn.ModuleList) -> list[TransformerLayer]:
    return [module for module in modules if isinstance(module, TransformerLayer)]


def wake(layer: TransformerLayer, gain: float) -> None:
    """Give the residual branches, zero in DisMo's own start, a small random one."""
    for weight in (layer.self_out.weight, layer.ff.down_proj.weight):
        nn.init.normal_(weight, std=gain / math.sqrt(weight.shape[1]))
    if layer.has_context:
        nn.init.normal_(layer.cross_out.weight, std=gain / math.sqrt(layer.cross_out.weight.shape[1]))


def aim_self(
    layer: TransformerLayer, head: int, frequencies: Tensor, offset: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    """Make self-attention head `head` look at the token `offset` away, by position alone."""
    width = layer.self_qkv.weight.shape[1]
    size = width // layer.heads
    q, k = _aimed(frequencies, offset, weights, size)
    with torch.no_grad():
        layer.self_qkv.weight[head * size : (head + 1) * size] = _from_constants(q, width)
        layer.self_qkv.weight[width + head * size : width + (head + 1) * size] = _from_constants(k, width)
        layer.self_scale[head] = SHARPNESS


def aim_cross(layer: TransformerLayer, head: int, frequencies: Tensor, offset: tuple[float, ...]) -> None:
    """Make cross-attention head `head` look at the context token `offset` away, by position alone."""
    width = layer.cross_q.weight.shape[1]
    context = layer.cross_kv.weight.shape[1]
    size = width // layer.heads
    q, k = _aimed(frequencies, offset, (0.5, 0.5), size)
    with torch.no_grad():
        layer.cross_q.weight[head * size : (head + 1) * size] = _from_constants(q, width)
        layer.cross_kv.weight[head * size : (head + 1) * size] = _from_constants(k, context)
        layer.cross_scale[head] = SHARPNESS


def _aimed(
    frequencies: Tensor, offset: tuple[float, ...], weights: tuple[float, ...], size: int
) -> tuple[Tensor, Tensor]:
    """Query and key [d_head] whose rotated product peaks where key position - query position = offset."""
    turn = torch.cat([frequencies[axis] * offset[axis] for axis in range(len(offset))])
    # Low frequencies only localise roughly but have no side lobes: all get the same share of their axis.
    share = torch.cat(
        [torch.full_like(frequencies[axis], weights[axis] / frequencies.shape[1]) for axis in range(len(offset))]
    )
    pairs = len(turn)
    q, k = torch.zeros(size), torch.zeros(size)
    k[:pairs] = share.sqrt()
    q[:pairs], q[pairs : 2 * pairs] = share.sqrt() * turn.cos(), share.sqrt() * turn.sin()
    return q, k


def _from_constants(vector: Tensor, width: int) -> Tensor:
    """Rows that read `vector` from the constant channels, with a little content beside it, [len(vector), width]."""
    rows = 0.02 / math.sqrt(width) * torch.randn(len(vector), width)
    # Each constant channel carries its own share, so that an adaptive norm can bend the query by scaling channels.
    mix = 1 + 0.5 * torch.randn(len(vector), CONSTANT)
    rows[:, :CONSTANT] = vector[:, None] * mix / mix.sum(dim=1, keepdim=True).clamp_min(0.5)
    return rows


def _pass_constants(weight: Tensor) -> None:
    weight[:CONSTANT] = 0
    weight[:, :CONSTANT] = 0
    weight[:CONSTANT, :CONSTANT] = torch.eye(CONSTANT)
