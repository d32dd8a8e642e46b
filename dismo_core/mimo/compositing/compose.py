"""Made crops back into the scene, behind what stands in front (docs/methods/mimo.md, 5.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DisMoError
from ..crops.boxes import square_side
from ..crops.clips import OVERLAP, Clip
from .area import resize_area
from .blend import RAMP, blend_mask, border_case

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]


def compose(
    generated: Frames,
    clips: Sequence[Clip],
    backgrounds: Frames,
    *,
    source: Frames | None = None,
    occlusion: Frames | None = None,
    masks: Mapping[str, NDArray[np.float32]] | None = None,
    overlap: int = OVERLAP,
    ramp: float = RAMP,
) -> NDArray[np.uint8]:
    """The edited video in memory; `composed_frames` gives the same one frame after the other.

    Args:
        generated: uint8 [K, S, S, 3], one square picture for each frame of each clip, in their order.
        clips: see `plan_crops`.
        backgrounds: uint8 [F, H, W, 3], the scene without the person.
        source: uint8 [F, H, W, 3], the video that the occlusion is taken from.
        occlusion: uint8 [F, H, W], 255 where the source stands in front; None = nothing does.
        masks: case -> float32 [h, w], 0..1, as `load_blend_masks` reads them; None = `blend_mask` of the crop's size.
        overlap: that the clips were planned with.
        ramp: of `blend_mask`.

    Returns:
        uint8 [F, H, W, 3].

    Raises:
        DisMoError: pictures that do not belong together.
    """
    made = composed_frames(
        generated, clips, backgrounds, source=source, occlusion=occlusion, masks=masks, overlap=overlap, ramp=ramp
    )
    return np.stack(list(made))


def composed_frames(
    generated: Frames,
    clips: Sequence[Clip],
    backgrounds: Frames,
    *,
    source: Frames | None = None,
    occlusion: Frames | None = None,
    masks: Mapping[str, NDArray[np.float32]] | None = None,
    overlap: int = OVERLAP,
    ramp: float = RAMP,
) -> Iterator[NDArray[np.uint8]]:
    """See `compose`. The frames of the scene are asked for in order, going back by `overlap` where a clip begins.

    For the picture g in its box, the mask m, the background b, the occlusion o and the source v:
    out = (g m + b (1 - m)) (1 - o) + v o. A frame that the clip before made, too, is cross-faded: the later one weighs
    (i - start + 1) / (overlap + 1), where start is the first frame of its clip. Values are truncated to bytes.
    """
    _check(generated, clips, source, occlusion)
    done: dict[int, NDArray[np.uint8]] = {}
    place = 0
    for number, clip in enumerate(clips):
        weight = None
        for index in clip.frames:
            background = backgrounds[index]
            if weight is None:
                _check_sizes(background, clip, index, source, occlusion)
                weight = _weight(clip, background.shape[1], background.shape[0], masks, ramp)
            out = _pasted(generated[place], clip, background, weight)
            place += 1
            if occlusion is not None and source is not None:
                front = occlusion[index][..., None] / 255
                out = out * (1 - front) + source[index] * front
            if index in done:
                later = (index - clip.frames[0] + 1) / (overlap + 1)
                out = done[index] * (1 - later) + out * later
            done[index] = out.astype(np.uint8)
        following = clips[number + 1].frames[0] if number + 1 < len(clips) else clip.frames[-1] + 1
        for index in sorted(index for index in done if index < following):
            yield done.pop(index)


def _weight(
    clip: Clip, width: int, height: int, masks: Mapping[str, NDArray[np.float32]] | None, ramp: float
) -> NDArray[np.float32]:
    """The mask of a clip in the size of its crop, [h, w, 1]."""
    x0, x1, y0, y1 = clip.box
    case = border_case(clip.box, width=width, height=height)
    if masks is None:
        return blend_mask(case, x1 - x0, y1 - y0, ramp)[..., None]
    if case not in masks:
        raise DisMoError(f"There is no blend mask {case!r} among {', '.join(masks)}. Give all 16, or none.")
    return resize_area(masks[case], x1 - x0, y1 - y0)[..., None]


def _pasted(
    square: NDArray[np.uint8], clip: Clip, background: NDArray[np.uint8], weight: NDArray[np.float32]
) -> NDArray[np.floating]:
    """The scene with a made picture in the clip's box, float32 [H, W, 3] of 0..255."""
    x0, x1, y0, y1 = clip.box
    width, height = x1 - x0, y1 - y0
    side = square_side(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    resized = Image.fromarray(np.ascontiguousarray(square)).resize((side, side), Image.Resampling.BICUBIC)
    picture = np.asarray(resized)[top : top + height, left : left + width].astype(np.float32)
    out = background.astype(np.float32)
    out[y0:y1, x0:x1] = picture * weight + out[y0:y1, x0:x1] * (1 - weight)
    return out


def _check(generated: Frames, clips: Sequence[Clip], source: Frames | None, occlusion: Frames | None) -> None:
    wanted = sum(len(clip.frames) for clip in clips)
    if len(generated) != wanted or not clips:
        raise DisMoError(
            f"There are {len(generated)} made pictures, and the {len(clips)} clips have {wanted} frames together. "
            "Give one picture for each frame of each clip."
        )
    if occlusion is not None and source is None:
        raise DisMoError(
            "An occlusion is given, but no source video that it shows. Give the source (vid.mp4), or leave the occlusion out."
        )


def _check_sizes(
    background: NDArray[np.uint8], clip: Clip, index: int, source: Frames | None, occlusion: Frames | None
) -> None:
    """Raise unless the videos have one size and the crop lies inside."""
    height, width = background.shape[:2]
    for name, video in (("source", source), ("occlusion", occlusion)):
        if video is not None and video[index].shape[:2] != (height, width):
            raise DisMoError(
                f"The {name} has frames of {list(video[index].shape[:2])}, the background of {[height, width]} (rows, columns). "
                "Give videos of one size."
            )
    x0, x1, y0, y1 = clip.box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise DisMoError(
            f"The crop {clip.box} does not lie in frames of {width}x{height} px. Plan it for these frames."
        )
