"""A clip from one picture by Stable Video Diffusion, as the published pipeline makes it (docs/methods/gaussians4d.md, 1.3)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data.resize_area import resize_by_area
from ..errors import DisMoError
from ..runtime import Runtime
from .choices import DRIVE_BACKGROUNDS
from .svd import FPS, MOTION, NOISE, STEPS, load_svd

SIZE, PADDED = 512, (1024, 576)  # px; width and height with margins


def drive(
    folder: str | os.PathLike[str],
    rgba: NDArray[np.uint8],
    *,
    seed: int = 42,
    background: str = "white",
    pad: bool = False,
    frames: int = 14,
    steps: int = STEPS,
    size: int = SIZE,
    runtime: Runtime | None = None,
) -> Tensor:
    """Frames uint8 [T,H,W,3] of a picture that begins to move.

    Args:
        folder: of a Stable Video Diffusion in diffusers' format; it is never fetched.
        rgba: uint8 [H,W,4].
        seed: of the noise, drawn on the CPU.
        background: "white", "black", or "original", which leaves the picture as it is.
        pad: give the model margins at both sides, as its training had; they are cut off again.
        frames: 14 for the first model, 25 for the second.
        steps: of the sampling.
        size: px, without margins.
        runtime: device, progress, cancel.

    Raises:
        DisMoError: no such folder, or a setting that cannot be.
    """
    if background not in DRIVE_BACKGROUNDS:
        raise DisMoError(f"background is one of {', '.join(DRIVE_BACKGROUNDS)}, not {background!r}.")
    if size % 64 or not 64 <= size <= 1024:
        raise DisMoError(f"size must be 64 to 1024 px, a multiple of 64, not {size}.")
    runtime = runtime or Runtime.cpu()
    runtime.stage("loading Stable Video Diffusion")
    video = load_svd(folder, runtime.device)
    picture, left = _picture(rgba, background, size, pad)

    def after_step(pipe: Any, step: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
        runtime.progress(step + 1, steps, None)
        runtime.check_cancel()
        return values

    runtime.stage("making the clip")
    video.plan.make_room(runtime)
    with video.running() as pipeline:
        made = pipeline(
            picture,
            height=picture.height,
            width=picture.width,
            num_frames=frames,
            num_inference_steps=steps,
            fps=FPS,
            motion_bucket_id=MOTION,
            noise_aug_strength=NOISE,
            decode_chunk_size=2,
            generator=torch.Generator().manual_seed(seed),
            callback_on_step_end=after_step,
            output_type="np",
        ).frames[0]
    clip = torch.from_numpy((np.asarray(made) * 255).round().clip(0, 255).astype(np.uint8))
    return clip[:, :, left : left + picture.height].contiguous()


def _picture(rgba: NDArray[np.uint8], background: str, size: int, pad: bool) -> tuple[Image.Image, int]:
    """The picture that the model begins with, and the column where its square begins."""
    square = resize_by_area(rgba.astype(np.float64), size, size) / 255
    color = square[..., :3]
    if background != "original":
        behind = 1.0 if background == "white" else 0.0
        color = color * square[..., 3:] + behind * (1 - square[..., 3:])
    picture = Image.fromarray((color * 255).round().clip(0, 255).astype(np.uint8))
    if not pad:
        return picture, 0
    width, height = PADDED if size == SIZE else (2 * size, size)
    inner = picture.resize((height, height))
    corner = picture.getpixel((0, 0))
    whole = Image.new("RGB", (width, height), corner)
    whole.paste(inner, ((width - height) // 2, 0))
    return whole, (width - height) // 2
