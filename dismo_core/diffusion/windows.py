"""Videos longer than a model sees at once, denoised together: overlapping windows whose predictions are averaged."""

from __future__ import annotations

from ..errors import DisMoError


def context_windows(
    frames: int,
    size: int = 24,
    overlap: int = 4,
    closed_loop: bool = True,
) -> list[list[int]]:
    """Which frames are denoised together; every frame is in at least one window.

    One window where `size` frames suffice. Otherwise windows start every `size - overlap` frames: closed, up to the last frame,
    and wrap round to the first ones, so that a loop has no seam; open, the last one ends with the last frame.

    Args:
        frames: of the video.
        size: frames of a window.
        overlap: frames that a window shares with the next one.
        closed_loop: whether the first frame follows the last one.

    Returns:
        Frame numbers of each window.

    Raises:
        DisMoError: no frames, or windows that would not move on.
    """
    if frames < 1:
        raise DisMoError(f"There are {frames} frames to make. Give at least one.")
    if overlap < 0 or size <= overlap:
        raise DisMoError(
            f"A window of {size} frames with an overlap of {overlap} does not move on. Make the window longer than the overlap."
        )
    if frames <= size:
        return [list(range(frames))]
    stride = size - overlap
    if closed_loop:
        return [[(start + k) % frames for k in range(size)] for start in range(0, frames, stride)]
    last = frames - size
    return [list(range(start, start + size)) for start in [*range(0, last, stride), last]]
