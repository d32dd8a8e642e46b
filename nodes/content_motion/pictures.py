"""Between ComfyUI's IMAGE and content frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..shared import host

if TYPE_CHECKING:
    from torch import Tensor


def content_frames(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [N,h,w,C], 0..1, as content frames float32 [N,3,H,W], -1..1; cut and scaled to size (H, W), which is said."""
    import torch

    from ...dismo_core.content_motion import clip_tensor
    from ...dismo_core.video.picture import each_picture, to_rgb, to_uint8

    pictures = [to_rgb(picture) for picture in each_picture(images)]
    if all(tuple(picture.shape[:2]) == size for picture in pictures):
        return torch.stack(pictures).permute(0, 3, 1, 2).float() * 2 - 1
    found = f"{pictures[0].shape[1]}x{pictures[0].shape[0]}"
    host.notify(f"The picture of {found} px was cut and scaled to {size[1]}x{size[0]} px, the size of the model.")
    return torch.cat([clip_tensor(to_uint8(picture, 0.0)[None], size).transpose(0, 1) for picture in pictures])


def as_images(frames: Tensor) -> Tensor:
    """Content frames [N,3,H,W], -1..1, as IMAGE [N,H,W,3], 0..1."""
    return frames.detach().float().cpu().permute(0, 2, 3, 1).add(1).div(2).clamp(0, 1).contiguous()
