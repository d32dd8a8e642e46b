"""Frames to a motion latent with its content frame, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime
from ..video.picture import to_uint8
from .algebra import MotionLatent
from .clips import clip_tensor
from .models.autoencoder import ContentMotionAutoencoder, held_still


@torch.no_grad()
def encode_frames(
    autoencoder: ContentMotionAutoencoder,
    frames: Tensor,
    size: tuple[int, int],
    fps: float,
    source: str = "",
    refine: int = 0,
    runtime: Runtime | None = None,
) -> MotionLatent:
    """The motion latent of a clip, with its content frame and the motion of that one held still.

    Args:
        autoencoder: of pixels.
        frames: uint8 [T,h,w,3], T at least 2.
        size: (height, width) at which they are encoded, px; multiples of the patch.
        fps: of the frames.
        source: name of the clip, for people.
        refine: steps of gradient descent for this clip; see `refine.refined`.
        runtime: progress and cancel of those.

    Raises:
        DisMoError: an autoencoder of latents, fewer than 2 frames, or a size that the patch does not divide.
    """
    _require_pixels(autoencoder)
    weight = autoencoder.pre_xt.weight
    clip = clip_tensor(frames, size)[None].to(weight)
    content, motion = autoencoder.encode(clip, refine=refine, runtime=runtime)
    still = held_still(autoencoder, content, motion.shape[2])
    parts = [part[0].float().cpu() for part in (motion, content, still)]
    return MotionLatent(parts[0], fps, size, autoencoder.id, source, parts[1], parts[2])


@torch.no_grad()
def decode_frames(autoencoder: ContentMotionAutoencoder, motion: MotionLatent, content: Tensor | None = None) -> Tensor:
    """The frames uint8 [L,H,W,3] of a content frame with a motion.

    Args:
        autoencoder: of pixels, the one that made the motion.
        motion: of any length.
        content: float [C,H,W], -1..1, of the motion's size; None = the one that is kept with it.

    Raises:
        DisMoError: an autoencoder of latents, another autoencoder's motion, no content frame, or one of another size.
    """
    _require_pixels(autoencoder)
    motion.require_autoencoder(autoencoder.id)
    content = motion.content if content is None else content
    if content is None:
        raise DisMoError("This motion latent holds no content frame. Give one: any picture of its size (content=).")
    if tuple(content.shape[-2:]) != tuple(motion.size):
        raise DisMoError(
            f"The content frame is {content.shape[-2]}x{content.shape[-1]} (height x width), the motion was encoded at "
            f"{motion.size[0]}x{motion.size[1]}. Resize the content frame."
        )
    weight = autoencoder.pre_xt.weight
    clip = autoencoder.decode(content[None].to(weight), motion.values[None].to(weight))
    return to_uint8(clip[0].permute(1, 2, 3, 0))


def _require_pixels(autoencoder: ContentMotionAutoencoder) -> None:
    if autoencoder.mode != "pixel":
        raise DisMoError(
            f"This autoencoder takes latents of {autoencoder.channels} channels, not frames. Encode the frames with its VAE first, and "
            "call its encode and decode with the latents."
        )
