"""The motion of a clip, streamed: memory does not grow with its length."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Literal, overload

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import base_name
from ..video.picture import to_rgb, to_uint8
from .models.extractor import MotionExtractor
from .models.inputs import resize_frames
from .motion import LOOK_AHEAD, Motion

if TYPE_CHECKING:
    from ..runtime import Runtime

log = logging.getLogger(__name__)

Clip = str | os.PathLike[str] | bytes | BinaryIO | Tensor


@overload
def extract_motion(
    extractor: MotionExtractor,
    video: Clip,
    *,
    fps: float = ...,
    start: float = ...,
    frames: int = ...,
    reverse: bool = ...,
    background: str = ...,
    runtime: Runtime | None = ...,
    return_frames: Literal[False] = ...,
) -> Motion: ...
@overload
def extract_motion(
    extractor: MotionExtractor,
    video: Clip,
    *,
    fps: float = ...,
    start: float = ...,
    frames: int = ...,
    reverse: bool = ...,
    background: str = ...,
    runtime: Runtime | None = ...,
    return_frames: Literal[True],
) -> tuple[Motion, Tensor]: ...
@torch.no_grad()
def extract_motion(
    extractor: MotionExtractor,
    video: Clip,
    *,
    fps: float = 8.0,
    start: float = 0.0,
    frames: int = 25,
    reverse: bool = False,
    background: str = "black",
    runtime: Runtime | None = None,
    return_frames: bool = False,
) -> Motion | tuple[Motion, Tensor]:
    """Extract the motion of a clip.

    Frames are resized to the extractor's size bilinearly with antialias, whatever their aspect (docs/methods/dismo.md, 7.6, step 1).

    Args:
        extractor: where it lies is where it runs.
        video: path, bytes or binary file object; or frames [T,H,W,3], uint8 or float 0..1 (these with 1 to 4 channels, see
            `to_rgb`), taken as already at `fps`.
        fps: samples per second.
        start: seconds.
        frames: how many, at least 5; 0 = to the end.
        reverse: read the sampled frames backwards; they are then all held at the extractor's size.
        background: color that shows through transparent pixels, a name or "#rrggbb".
        runtime: for progress and cancel; reports windows done.
        return_frames: also return the frames used, uint8 [T,H,W,3] at the clip's own size.

    Returns:
        The motion, with the embedding of the first frame held still; and the frames where asked for.

    Raises:
        DisMoError: not a video, too short, or values out of range.
    """
    from ..video.read import FrameStack

    check_extraction(fps, start, frames)
    used = FrameStack(frames or LOOK_AHEAD + 1)

    def sampled() -> Iterator[Tensor]:
        count = 0
        for frame in _frames(video, fps, start, frames, background):
            if runtime is not None:
                runtime.check_cancel()  # backwards nothing is reported until all is read
            count += 1
            if return_frames:
                used.append(frame if frame.dtype == torch.uint8 else to_uint8(frame, 0))
            yield _resized(frame, extractor.size)
        if count <= LOOK_AHEAD:
            raise DisMoError(
                f"The clip gave too few frames at {fps:g} fps from second {start:g}; motion needs at least {LOOK_AHEAD + 1}. "
                "Use a longer clip, an earlier start or a higher fps."
            )

    clip: Iterable[Tensor] = reversed(list(sampled())) if reverse else sampled()
    embeddings, still = embeddings_of(extractor, clip, frames, runtime)
    found = len(embeddings) + LOOK_AHEAD
    if found < frames:
        log.info("The clip gave %d frames at %g fps, not the %d asked for.", found, fps, frames)
    source = base_name(video) if isinstance(video, str | os.PathLike) else ""
    motion = Motion(embeddings, float(fps), source, extractor.extractor_id, still)
    if not return_frames:
        return motion
    return motion, used.done().flip(0) if reverse else used.done()


def check_extraction(fps: float, start: float, frames: int) -> None:
    """Raise unless `extract_motion` can read these frames of a clip; asked before weights are loaded."""
    from ..video.read import check_sampling

    check_sampling(fps, start, frames or None)
    if frames is None or 0 != frames <= LOOK_AHEAD:
        raise DisMoError(
            f"frames is {frames}; motion needs at least {LOOK_AHEAD + 1} frames, because it looks {LOOK_AHEAD} ahead (0 = to the end)."
        )


def embeddings_of(
    extractor: MotionExtractor, clip: Iterable[Tensor], expected: int, runtime: Runtime | None
) -> tuple[Tensor, Tensor]:
    """Embeddings of frames that come one by one; of them only those still needed are held.

    Args:
        extractor: where it lies is where it runs.
        clip: frames [h, w, 3] of its size, -1..1.
        expected: how many, for the progress; 0 = unknown.
        runtime: reports windows done.

    Returns:
        Embeddings [P, d], and that of the first frame held still, [d].
    """
    device, windows = extractor.query_tokens.device, expected - extractor.window + 1
    found: list[Tensor] = []
    still = torch.empty(0)
    done = 0

    def pieces() -> Iterator[Tensor]:
        nonlocal still
        frames = iter(clip)
        while buffer := list(islice(frames, extractor.frames_at_once)):
            piece = torch.stack(buffer)[None].to(device)
            if not len(still):
                held = extractor.encode(piece[:, :1]).expand(-1, LOOK_AHEAD + 1, -1, -1)
                still = extractor.motion(held)[0, 0].float().cpu()
            yield piece

    for done, embeddings in extractor.stream(pieces()):
        found.append(embeddings[0].float().cpu())
        if runtime is not None:
            runtime.progress(done, max(done, windows), None)
    if runtime is not None and done < windows:  # the clip was shorter than asked for
        runtime.progress(done, done, None)
    return torch.cat(found), still


def _frames(video: Clip, fps: float, start: float, frames: int, background: str) -> Iterator[Tensor]:
    """The sampled frames one by one, uint8 or float [H,W,3]."""
    if not isinstance(video, Tensor):
        from ..video import iter_video

        yield from iter_video(video, fps=fps, start=start, frames=frames or None, background=background)
        return
    if video.ndim != 4 or video.shape[-1] not in ((3,) if video.dtype == torch.uint8 else (1, 2, 3, 4)):
        raise DisMoError(
            f"The frames have shape {list(video.shape)}; expected [frames, height, width, 3] (RGB, channels last)."
        )
    first = math.floor(start * fps + 1e-6)  # the frame that is shown then
    yield from _checked(video[first : first + frames] if frames else video[first:], background)


def _checked(video: Tensor, background: str) -> Iterable[Tensor]:
    if video.dtype == torch.uint8:
        return video
    if not video.is_floating_point():
        raise DisMoError(f"The frames are {video.dtype}; expected uint8, or floating values in 0..1.")
    return (to_rgb(frame, background) for frame in video)  # one at a time: no second clip in memory


def _resized(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """[H,W,3] uint8 or 0..1 -> float32 [h,w,3] in -1..1."""
    half = 127.5 if frame.dtype == torch.uint8 else 0.5
    # Rescaled before it is resized, as published: the same bits as by the adapter.
    return resize_frames((frame.float() / half - 1)[None], size)[0]
