"""Pictures as OpenCLIP's image tower reads them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..imports import importing

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def prepare_images(frames: Tensor, image_size: int = 224) -> Tensor:
    """Shorter side to `image_size` (bicubic), centre cut out, colors normalised.

    Args:
        frames: uint8 [N, H, W, 3].
        image_size: px of the square.

    Returns:
        float32 [N, 3, S, S].
    """
    with importing("PIL"):
        from PIL import Image

    pictures = []
    for frame in frames.cpu().numpy():
        picture = Image.fromarray(frame)
        short = min(picture.size)
        width, height = (int(image_size * side / short) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round((width - image_size) / 2), round((height - image_size) / 2)
        picture = picture.crop((left, top, left + image_size, top + image_size))
        pictures.append(
            torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(image_size, image_size, 3)
        )
    pixels = torch.stack(pictures).movedim(-1, 1).float() / 255
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (pixels - mean) / deviation


def grey_levels(frames: Tensor) -> Tensor:
    """uint8 [N, H, W, 3], rounded, of frames [N, 3, H, W] in -1..1."""
    return ((frames + 1) / 2).clamp(0, 1).mul(255).round().to(torch.uint8).movedim(1, -1)


def wrapped_frames(frames: Tensor) -> Tensor:
    """The published conversion of frames [N, 3, H, W] in -1..1 to uint8 [N, H, W, 3]: 255 x, cut off, modulo 256.

    Negative values wrap round. Only for comparison; `grey_levels` does what was meant.
    """
    return (frames * 255).to(torch.int32).remainder(256).to(torch.uint8).movedim(1, -1)
