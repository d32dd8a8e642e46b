"""Frames as CMD is trained on them (docs/methods/content_motion.md, 1.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisMoError
from ..video.picture import centre_crop


def clip_tensor(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """A clip for the autoencoder: the largest centred part of the aspect of `size`, scaled bilinearly without antialias.

    Args:
        frames: uint8 [T,h,w,3].
        size: (height, width), px.

    Returns:
        float32 [3,T,height,width], -1..1.

    Raises:
        DisMoError: no uint8 frames of that layout.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != torch.uint8:
        raise DisMoError(f"Frames must be uint8 [T,height,width,3], not {frames.dtype} {list(frames.shape)}.")
    top, left, rows, columns = centre_crop(frames.shape[1], frames.shape[2], size)
    cut = frames[:, top : top + rows, left : left + columns].permute(0, 3, 1, 2)
    scaled = F.interpolate(cut / 127.5 - 1, size, mode="bilinear", align_corners=False)
    return scaled.transpose(0, 1).contiguous()


def middle_of(clips: Tensor) -> Tensor:
    """The middle frame of each clip: [B,C,L,H,W] -> [B,C,H,W]."""
    return clips[:, :, clips.shape[2] // 2]


def fitted(frames: Tensor, size: tuple[int, int], fit: str) -> Tensor:
    """Frames of another shape, so that `clip_tensor` cuts nothing off but where that is asked for.

    Args:
        frames: uint8 [T,h,w,3].
        size: (height, width) at which they are encoded, px.
        fit: "crop" leaves them as they are; "pad" adds black beside or above and below; "stretch" scales them to the size.

    Raises:
        DisMoError: another fit.
    """
    if fit == "crop":
        return frames
    height, width = frames.shape[1:3]
    if fit == "stretch":
        scaled = F.interpolate(frames.permute(0, 3, 1, 2).float(), size, mode="bilinear", antialias=True)
        return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    if fit != "pad":
        raise DisMoError(f"There is no fit {fit!r}: choose 'crop', 'pad' or 'stretch'.")
    rows, columns = max(height, round(width * size[0] / size[1])), max(width, round(height * size[1] / size[0]))
    top, left = (rows - height) // 2, (columns - width) // 2
    return F.pad(frames, (0, 0, left, columns - width - left, top, rows - height - top))
