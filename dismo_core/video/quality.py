"""Videos that show nothing: one color, or nothing that moves."""

from __future__ import annotations

from torch import Tensor

FLAT = 4  # of 255: pictures with less contrast count as one color


def quality_warning(frames: Tensor, picture: Tensor, strength: float = 1.0) -> str | None:
    """A warning about a video, or None: frames of one color where the picture is not, or all the same.

    Args:
        frames: uint8 [T,H,W,3].
        picture: float [h,w,3], 0..1, that it was made from, of any size.
        strength: of the motion; 0 asks for a video that stands still.
    """
    cause = "The weights may be damaged, the precision too low (try bf16 or fp32), or strength or guidance too high."
    flat = [frame for frame in frames if _contrast(frame) <= FLAT]
    if flat and _contrast(picture) * 255 > FLAT:
        color = "black" if all(int(frame.max()) <= FLAT for frame in flat) else "of one color"
        return f"{len(flat)} of the {len(frames)} frames are {color}. {cause}"
    if strength > 0 and len(frames) > 1 and bool((frames == frames[0]).all()):
        return f"All {len(frames)} frames are the same. If the clip moves: {cause[0].lower()}{cause[1:]}"
    return None


def _contrast(picture: Tensor) -> float:
    """Largest difference of two values in one channel of [H,W,3]."""
    low, high = picture.flatten(0, 1).aminmax(dim=0)
    return float((high - low).max())
