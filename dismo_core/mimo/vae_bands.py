"""The VAE in bands of rows, where a frame does not fit the device at once: the same numbers, more slowly.

Feature maps lie on the host; a layer brings a band of one to the device with the rows that its kernel sees above and below. The norms take
mean and variance of the whole frame, so that, unlike with tiles, no band can be told from another.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROWS = 64  # of a band


def decode_in_bands(vae: Any, latent: Tensor, rows: int = ROWS) -> Tensor:
    """A picture [1, 3, 8 h, 8 w] on the host.

    Args:
        vae: diffusers AutoencoderKL.
        latent: [1, 4, h, w] on the device, not scaled.
        rows: of a band.
    """
    decoder = vae.decoder
    x = latent if vae.post_quant_conv is None else vae.post_quant_conv(latent)
    x = decoder.mid_block(decoder.conv_in(x)).cpu()  # an eighth of the frame's rows: small
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = _resnet(x, resnet, latent.device, rows)
        for up in block.upsamplers or ():
            x = _conv(x, up.conv, None, latent.device, rows, larger=True)
    return _conv(x, decoder.conv_out, decoder.conv_norm_out, latent.device, rows)


def encode_in_bands(vae: Any, picture: Tensor, rows: int = ROWS) -> Tensor:
    """The mean latent [1, 4, H / 8, W / 8] on the device, not scaled.

    Args:
        vae: diffusers AutoencoderKL.
        picture: [1, 3, H, W] on the device, -1..1.
        rows: of a band.
    """
    encoder, device = vae.encoder, picture.device
    x = _conv(picture.cpu(), encoder.conv_in, None, device, rows)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            x = _resnet(x, resnet, device, rows)
        for down in block.downsamplers or ():
            x = _conv(x, down.conv, None, device, rows)
    x = encoder.mid_block(x.to(device))
    x = encoder.conv_out(F.silu(encoder.conv_norm_out(x)))
    mean: Tensor = (x if vae.quant_conv is None else vae.quant_conv(x)).chunk(2, 1)[0]
    return mean


def _resnet(x: Tensor, resnet: Any, device: torch.device, rows: int) -> Tensor:
    made = _conv(x, resnet.conv1, resnet.norm1, device, rows)
    made = _conv(made, resnet.conv2, resnet.norm2, device, rows)
    return made.add_(x if resnet.conv_shortcut is None else _conv(x, resnet.conv_shortcut, None, device, rows))


def _conv(
    x: Tensor,
    conv: nn.Conv2d,
    norm: nn.GroupNorm | None,
    device: torch.device,
    rows: int,
    larger: bool = False,
) -> Tensor:
    """The convolution of a feature map on the host, after norm and SiLU where there is a norm, and twice as large where it is to be."""
    factor, stride, kernel = (2 if larger else 1), conv.stride[0], conv.kernel_size[0]
    # a convolution of stride 2 of diffusers' encoder adds a row below and a column at the right, and none above and at the left
    before, after = (0, 1) if stride == 2 else (kernel // 2, kernel // 2)
    height, width = factor * x.shape[2], factor * x.shape[3]
    affine = None if norm is None else _affine(x, norm, device)
    made = x.new_empty(1, conv.out_channels, (height + before + after - kernel) // stride + 1,
                       (width + before + after - kernel) // stride + 1)  # fmt: skip
    for begin in range(0, made.shape[2], rows):
        end = min(begin + rows, made.shape[2])
        first, last = stride * begin - before, stride * (end - 1) - before + kernel  # rows that it sees
        top, bottom = max(0, first), min(height, last)
        band = x[:, :, top // factor : -(-bottom // factor)].to(device)
        if affine is not None:
            band = F.silu((band.float() * affine[0] + affine[1]).to(x.dtype))
        if larger:
            band = F.interpolate(band, scale_factor=2.0, mode="nearest")
            band = band[:, :, top % 2 : top % 2 + bottom - top]
        band = F.pad(band, (before, after, top - first, last - bottom))
        made[:, :, begin:end] = F.conv2d(band, conv.weight, conv.bias, stride).cpu()
    return made


def _affine(x: Tensor, norm: nn.GroupNorm, device: torch.device) -> tuple[Tensor, Tensor]:
    """What a norm multiplies each channel by and adds to it, [1, C, 1, 1], by the statistics of the whole map."""
    found = [torch.var_mean(group.float(), correction=0) for group in x[0].chunk(norm.num_groups)]
    variance, mean = (
        torch.stack(parts).to(device).repeat_interleave(x.shape[1] // norm.num_groups)
        for parts in zip(*found, strict=True)
    )
    scale = norm.weight.float() / (variance + norm.eps).sqrt()
    return scale[:, None, None], (norm.bias.float() - mean * scale)[:, None, None]
