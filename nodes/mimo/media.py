"""Between ComfyUI's pictures, masks and videos and the bytes that `dismo_core.mimo` works with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl
from PIL import Image

from ...dismo_core import DisMoError
from ..shared.clips import to_bytes

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from numpy.typing import NDArray
    from torch import Tensor

    from ...dismo_core import Runtime
    from ...dismo_core.video import Audio

    Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]

QUALITY = 4  # crf of videos that go from node to node: hardly a loss, and a tenth of the size of frames in memory
PREVIEW = 512  # px, longer side


def to_frames(images: Input.Image) -> NDArray[np.uint8]:
    """IMAGE [T,H,W,C] -> uint8 [T,H,W,3]."""
    frames: NDArray[np.uint8] = to_bytes(images.cpu()).numpy()
    return frames


def straight(images: Input.Image) -> NDArray[np.uint8]:
    """The same without what any transparency says, for those who go by `transparency`."""
    return to_frames(images[..., :3] if images.shape[-1] == 4 else images)


def to_masks(mask: Input.Mask, name: str = "The mask") -> NDArray[np.uint8]:
    """MASK [T,H,W] or [H,W] -> uint8 [T,H,W].

    Raises:
        DisMoError: another shape, or values that are none.
    """
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.ndim != 3 or not bool(mask.isfinite().all()):
        raise DisMoError(f"{name} must be [frames, height, width] of finite values, not {list(mask.shape)}.")
    masks: NDArray[np.uint8] = (mask.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return masks


def to_images(frames: Iterable[NDArray[np.uint8]]) -> Tensor:
    """Pictures uint8 [H,W,3] -> IMAGE; masks uint8 [H,W] -> MASK."""
    return torch.stack([torch.from_numpy(np.ascontiguousarray(frame)) for frame in frames]).float().div_(255)


def one_picture(images: Input.Image, name: str) -> NDArray[np.uint8]:
    """The only picture of a batch as uint8 [H,W,3]; see `straight`.

    Raises:
        DisMoError: several, in the name of an input.
    """
    if len(images) != 1:
        raise DisMoError(
            f"{name} takes one picture, and {len(images)} are connected. Take one of them.", hint="one picture"
        )
    picture: NDArray[np.uint8] = straight(images)[0]
    return picture


def transparency(images: Input.Image) -> NDArray[np.uint8] | None:
    """Alpha uint8 [T,H,W] of pictures with four channels, where any of it is transparent; else None."""
    if images.shape[-1] != 4 or bool((images[..., 3] >= 1).all()):
        return None
    return to_masks(images[..., 3])


def video_file(
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    sound: Audio | None = None,
    progress: Callable[[int, Image.Image], None] | None = None,
) -> Input.Video:
    """Frames uint8 [H,W,3] as a VIDEO that lies in a file of ComfyUI's temporary folder, written as they are made.

    Args:
        frames: in their order.
        fps: of the video.
        sound: to go with it.
        progress: called with each frame's number from 1 and a small picture of it.
    """
    from ...dismo_core.video import write_video

    def shown() -> Iterator[Tensor]:
        for number, frame in enumerate(frames, 1):
            yield torch.from_numpy(np.ascontiguousarray(frame))
            if progress is not None:
                progress(number, preview(frame))

    path = Path(folder_paths.get_temp_directory()) / f"dismo_mimo_{uuid.uuid4().hex}.mp4"
    write_video(path, shown(), fps, crf=QUALITY, audio=sound)
    return InputImpl.VideoFromFile(str(path))


def preview(frame: NDArray[np.uint8]) -> Image.Image:
    """A small picture of a frame."""
    picture = Image.fromarray(np.ascontiguousarray(frame))
    picture.thumbnail((PREVIEW, PREVIEW))
    return picture


def counted(runtime: Runtime, total: int) -> Callable[[int, Image.Image], None]:
    """The runtime's progress as `video_file` calls it."""
    return lambda number, picture: runtime.progress(number, total, picture)


def character_of(
    node: str, images: Input.Image | None, video: Input.Video | None, alpha: Input.Mask | None
) -> tuple[Any, Any, float | None]:
    """Frames, alpha and rate of a character: from a batch, or from a video.

    The outline is `alpha`; else the pictures' own transparency, or what is not of the border's color.

    Raises:
        DisMoError: both or neither; counts that differ; nothing that says where the character is.
    """
    from ...dismo_core.mimo.crops.flat_background import outline
    from ...dismo_core.mimo.insertion.character import MAX_FRAMES, read_character
    from ..shared import clips

    found = (images is not None) + (video is not None)
    if found != 1:
        raise DisMoError(
            f"{node} needs exactly one character, but {'both are' if found else 'neither'} of character and character_video "
            f"{'' if found else 'is '}connected. Connect pictures or a video."
        )
    fps, masks = None, None
    if images is not None:
        frames, masks = straight(images), transparency(images)
    else:
        assert video is not None
        path = clips.whole_file(video, InputImpl.VideoFromFile)
        if path is not None and alpha is None:
            read = read_character(path)
            return read.frames, read.alpha, read.fps
        found_frames, fps = clips.beginning(video, 1000.0, MAX_FRAMES, InputImpl.VideoFromFile)
        frames = found_frames.numpy()
    if alpha is not None:
        masks = to_masks(alpha, "alpha")
        if len(masks) == 1 and len(frames) > 1:
            masks = np.repeat(masks, len(frames), 0)
        if masks.shape != frames.shape[:3]:
            raise DisMoError(
                f"The character has {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]} px, its alpha {len(masks)} of "
                f"{masks.shape[2]}x{masks.shape[1]}. Give one mask for each frame, of their size."
            )
    if masks is None:
        masks = np.stack([outline(frame, "The character") for frame in frames])
    return frames, masks, fps
