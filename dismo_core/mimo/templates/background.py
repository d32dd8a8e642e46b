"""The scene without the person (docs/methods/mimo.md, 7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DisMoError
from ...video.fill import push_pull
from ..crops.silhouette import dilate as grown
from .align import camera_path, inside, warp

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]

DILATE = 4  # px
_ROWS_AT_ONCE = 1 << 26  # values that are sorted at a time
_UNKNOWN = 1 << 14  # larger than any gray level; sorts to the end
_LARGEST = 4  # times the size of a frame, how wide and high the joined scene may be


@overload
def fill_background(
    frames: Frames,
    masks: Frames,
    *,
    dilate: int = ...,
    align: str = ...,
    return_unseen: Literal[False] = ...,
) -> NDArray[np.uint8]: ...
@overload
def fill_background(
    frames: Frames,
    masks: Frames,
    *,
    dilate: int = ...,
    align: str = ...,
    return_unseen: Literal[True],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...
def fill_background(
    frames: Frames,
    masks: Frames,
    *,
    dilate: int = DILATE,
    align: str = "none",
    return_unseen: bool = False,
) -> NDArray[np.uint8] | tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The frames with the person replaced by the median of what the other frames show there.

    Pixels away from the person stay as they are. What no frame shows is filled smoothly from around it, by push-pull.

    Args:
        frames: uint8 [F, H, W, 3].
        masks: uint8 [F, H, W], the person above 127.
        dilate: px by which the masks grow, for soft edges and shadows.
        align: how the camera moves: "none" (it stands still), "translation" or "homography"; fitted to the scene.
        return_unseen: also say what no frame shows, so that a better method may fill just that.

    Returns:
        uint8 [F, H, W, 3]; with `return_unseen` also uint8 [F, H, W], 255 where nothing was known.

    Raises:
        DisMoError: sizes or counts that differ, no such alignment, or a person that covers all of every frame.
    """
    if not 0 <= dilate <= 256:
        raise DisMoError(f"dilate must be 0 to 256 px, not {dilate}.")
    if len(frames) != len(masks) or not len(frames) or frames[0].shape[:2] != masks[0].shape:
        shapes = [(len(x), *x[0].shape) if len(x) else (0,) for x in (frames, masks)]
        raise DisMoError(
            f"Frames {list(shapes[0])} and masks {list(shapes[1])} do not belong together. Give one mask [H, W] for each frame [H, W, 3]."
        )
    covered = [grown(np.where(mask > 127, 255, 0).astype(np.uint8), dilate, dilate) > 0 for mask in masks]
    if all(cover.all() for cover in covered):
        raise DisMoError(
            "The person covers all of every frame, so nothing of the scene is known. Is the mask inverted?"
        )
    known = [torch.from_numpy(~cover) for cover in covered]
    grays = [torch.from_numpy(np.asarray(frame).mean(-1, dtype=np.float32) / 255) for frame in frames]
    path = camera_path(grays, known, align)
    scene, seen, origin = _joined(frames, known, path)
    filled = push_pull(scene, seen.float())
    height, width = frames[0].shape[:2]
    backgrounds, unseen = [], []
    for frame, cover, matrix in zip(frames, covered, path, strict=True):
        to_scene = origin @ matrix
        still = bool(torch.equal(matrix, torch.eye(3, dtype=torch.float64)))
        here = filled if still and scene.shape[1:] == (height, width) else warp(filled, to_scene, (height, width))
        pixels = here.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        backgrounds.append(np.where(cover[..., None], pixels, frame))
        shown = warp(seen[None].float(), to_scene, (height, width), "nearest")[0] > 0
        unseen.append(np.where(cover & ~shown.numpy(), 255, 0).astype(np.uint8))
    result = np.stack(backgrounds)
    return (result, np.stack(unseen)) if return_unseen else result


def _joined(frames: Frames, known: Sequence[Tensor], path: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """All frames in one picture as the middle one sees it: median [3, h, w] of 0..255, where it is known, place of the middle frame."""
    height, width = frames[0].shape[:2]
    corners = torch.tensor([[0.0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]]).double()
    ends = torch.cat([(p := corners @ matrix.T)[:, :2] / p[:, 2:] for matrix in path])
    low = ends.min(0).values.floor().clamp(min=torch.tensor([-(_LARGEST - 1.0) * width, -(_LARGEST - 1.0) * height]))
    high = ends.max(0).values.ceil().clamp(max=torch.tensor([_LARGEST * width, _LARGEST * height], dtype=torch.float64))
    columns, rows = (int(n) + 1 for n in (high - low))
    origin = torch.eye(3, dtype=torch.float64)
    origin[:2, 2] = -low
    scene, seen = torch.zeros(3, rows, columns), torch.zeros(rows, columns, dtype=torch.bool)
    at_once = max(1, _ROWS_AT_ONCE // (len(frames) * columns * 3))
    for begin in range(0, rows, at_once):
        count = min(at_once, rows - begin)
        stack = torch.full((len(frames), 3, count, columns), _UNKNOWN, dtype=torch.int16)
        for number, (frame, shows, matrix) in enumerate(zip(frames, known, path, strict=True)):
            strip = torch.eye(3, dtype=torch.float64)
            strip[1, 2] = begin
            _add(stack[number], frame, shows, (origin @ matrix).inverse() @ strip)
        ordered = stack.sort(0).values
        there = (stack[:, 0] < _UNKNOWN).sum(0)
        middle = [((there - 1).clamp(min=0) // 2), (there // 2).clamp(max=len(frames) - 1)]
        halves = [ordered.gather(0, index[None, None].expand(1, 3, -1, -1))[0].float() for index in middle]
        seen[begin : begin + count] = there > 0
        scene[:, begin : begin + count] = (halves[0] + halves[1]) / 2 * (there > 0)
    return scene, seen, origin


def _add(target: Tensor, frame: NDArray[np.uint8], shows: Tensor, matrix: Tensor) -> None:
    """Write what a frame shows of a strip of the scene into int16 [3, rows, columns]."""
    size = (target.shape[1], target.shape[2])
    pixels = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float()
    if torch.equal(matrix[:2, :2], torch.eye(2, dtype=torch.float64)) and torch.equal(matrix, matrix.round()):
        y, x = int(matrix[1, 2]), int(matrix[0, 2])
        if x == 0 and size[1] == pixels.shape[2] and y + size[0] <= pixels.shape[1]:
            rows = slice(y, y + size[0])
            target.copy_(torch.where(shows[rows], pixels[:, rows].to(torch.int16), target))
            return
    there = inside(matrix, size, (pixels.shape[1], pixels.shape[2]))
    whole = warp(shows[None].float(), matrix, size, "bilinear")[0] > 0.99
    values = warp(pixels, matrix, size).round().clamp(0, 255).to(torch.int16)
    target.copy_(torch.where(there & whole, values, target))
