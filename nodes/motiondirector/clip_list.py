"""What travels as DISMO_MOTION_CLIPS: clips to learn from, and how they are brought to a size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ...dismo_core.motiondirector.clips import Clip, Size
    from ...dismo_core.text_to_video import TextToVideoBase


@dataclass(frozen=True)
class ClipList:
    """Clips in their order.

    Args:
        clips: each with its caption; a name is made of the frames, so that the same clip is known again.
        width: px that they are brought to; 0 = the base's.
        height: likewise.
        fit: see `Size`.
        fps: frames per second of them.
    """

    clips: tuple[Clip, ...]
    width: int
    height: int
    fit: str
    fps: float

    def size(self, base: TextToVideoBase) -> Size:
        """That they are brought to, for a base."""
        from ...dismo_core.motiondirector.clips import Size

        own_width, own_height = base.size
        return Size(self.width or own_width, self.height or own_height, self.fit)

    def only_pictures(self) -> bool:
        """Whether none of them moves."""
        return all(clip.picture for clip in self.clips)


def name_of(frames: Tensor) -> str:
    """Ten letters and digits that tell frames apart, uint8 of any shape."""
    digest = hashlib.sha256(frames.contiguous().numpy().tobytes())
    digest.update(str(tuple(frames.shape)).encode())
    return digest.hexdigest()[:10]
