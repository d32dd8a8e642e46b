"""The two things the release does: a character alone on white, and a character in a template's scene (docs/methods/mimo.md, 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DisMoError
from ..runtime import Runtime
from .compositing.blend import RAMP
from .compositing.compose import composed_frames
from .crops.boxes import union_box
from .crops.clips import MIN_AREA, OVERLAP, Clip, frame_box, plan_crops
from .crops.square import BLACK, WHITE, Squares
from .job_store import JobStore
from .pipeline import MimoPipeline
from .templates.config import CONFIG_FPS, resample_indices
from .templates.template import MAX_FRAMES, Template, TemplateFrames

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]


@dataclass(frozen=True)
class NetworkOptions:
    """How the network makes frames; None = as its weights are meant.

    Args:
        width: of the squares that are made, px, a multiple of 8.
        height: likewise.
        steps: denoising steps.
        guidance: 1 = none.
        seed: of the noise; the same noise on every device.
        window: frames denoised together.
        overlap: frames that windows share.
        closed_loop: whether windows wrap round at the end.
        window_per_clip: whether no window crosses a change of crop.
        store: keeps what is finished of a job, and gives what was; None = nothing is kept.
    """

    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int = 42
    window: int = 24
    overlap: int = 4
    closed_loop: bool = True
    window_per_clip: bool = False
    store: JobStore | None = None

    def arguments(self, pipeline: MimoPipeline, clips: Sequence[Clip]) -> dict[str, Any]:
        """What `MimoPipeline.sample_latents` takes."""
        width, height = pipeline.size
        return {
            "width": self.width or width,
            "height": self.height or height,
            "steps": self.steps or pipeline.steps,
            "guidance": self.guidance or pipeline.guidance,
            "window": self.window,
            "overlap": self.overlap,
            "closed_loop": self.closed_loop,
            "clip_lengths": [len(clip.frames) for clip in clips] if self.window_per_clip else None,
            "generator": torch.Generator().manual_seed(self.seed),
            "store": self.store,
        }


def animate(
    pipeline: MimoPipeline,
    picture: NDArray[np.uint8],
    template: Template,
    *,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 42,
    max_frames: int = MAX_FRAMES,
    runtime: Runtime | None = None,
    **options: Any,
) -> NDArray[np.uint8]:
    """The character on white, doing what the template's body does.

    Args:
        pipeline: see there.
        picture: reference, see `prepare_reference`.
        template: of which only the body is used, at 30 fps.
        width: see `NetworkOptions`.
        height: likewise.
        steps: likewise.
        guidance: likewise.
        seed: likewise.
        max_frames: made at most.
        runtime: progress and cancel.
        options: others of `NetworkOptions`.

    Returns:
        uint8 [F, height, width, 3], 30 fps.

    Raises:
        DisMoError: a template without a body, or one that shows nothing.
    """
    chosen = NetworkOptions(width, height, steps, guidance, seed, **options)
    return np.stack(list(animated_frames(pipeline, picture, template, chosen, max_frames, runtime)))


def animated_frames(
    pipeline: MimoPipeline,
    picture: NDArray[np.uint8],
    template: Template,
    options: NetworkOptions,
    max_frames: int = MAX_FRAMES,
    runtime: Runtime | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """`animate`, one frame after the other."""
    _require_body(template)
    body = template.sdc
    if isinstance(body, np.ndarray):
        body = body[resample_indices(len(body), template.fps, CONFIG_FPS)]
    poses = Template(sdc=body, name=template.name).open(max_frames).sdc
    assert poses is not None
    clips = [Clip(list(range(len(poses))), union_box(poses))]
    squares = Squares(poses, clips, BLACK)
    latents = pipeline.sample_latents(picture, squares, None, runtime=runtime, **options.arguments(pipeline, clips))
    return pipeline.decoded_frames(latents, runtime, options.store)


def edit(
    pipeline: MimoPipeline,
    picture: NDArray[np.uint8],
    template: Template | TemplateFrames,
    *,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 42,
    max_frames: int = MAX_FRAMES,
    masks: Mapping[str, NDArray[np.float32]] | None = None,
    as_released: bool = False,
    min_area: float = MIN_AREA,
    ramp: float = RAMP,
    runtime: Runtime | None = None,
    **options: Any,
) -> NDArray[np.uint8]:
    """The character in the template's scene, behind what stands in front.

    Args:
        pipeline: see there.
        picture: reference, see `prepare_reference`.
        template: with body and background.
        width: see `NetworkOptions`.
        height: likewise.
        steps: likewise.
        guidance: likewise.
        seed: likewise.
        max_frames: of the template, at most.
        masks: see `compose`.
        as_released: see `plan_crops`.
        min_area: likewise.
        ramp: see `compose`.
        runtime: progress and cancel.
        options: others of `NetworkOptions`.

    Returns:
        uint8 [F, H, W, 3], at the template's rate.

    Raises:
        DisMoError: a template without a body, or one that shows nothing.
    """
    chosen = NetworkOptions(width, height, steps, guidance, seed, **options)
    made = edited_frames(
        pipeline,
        picture,
        template,
        chosen,
        max_frames,
        masks=masks,
        as_released=as_released,
        min_area=min_area,
        ramp=ramp,
        runtime=runtime,
    )
    return np.stack(list(made))


def edited_frames(
    pipeline: MimoPipeline,
    picture: NDArray[np.uint8],
    template: Template | TemplateFrames,
    options: NetworkOptions,
    max_frames: int = MAX_FRAMES,
    *,
    masks: Mapping[str, NDArray[np.float32]] | None = None,
    as_released: bool = False,
    min_area: float = MIN_AREA,
    ramp: float = RAMP,
    runtime: Runtime | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """`edit`, one frame after the other; the template's frames stay in their files."""
    runtime = runtime or Runtime.on(pipeline.plan.device)
    _require_body(template)
    opened = template.open(max_frames) if isinstance(template, Template) else template
    bodies = opened.sdc
    assert bodies is not None
    runtime.stage("planning the crops")
    clips = plan_crops(bodies, OVERLAP, min_area, as_released)
    if all(frame_box(body) is None for body in bodies):
        raise DisMoError(
            f"None of the {len(opened)} frames of the template's body render shows anything brighter than black. "
            "Check that sdc.mp4 is a body on a black background."
        )
    arguments = options.arguments(pipeline, clips)
    poses, scenes, fronts = Squares(bodies, clips, BLACK), Squares(opened.bk, clips, WHITE), None
    if pipeline.takes_occlusions and opened.occ is not None and opened.vid is not None:
        fronts = Squares(opened.vid, clips, BLACK, opened.occ)
    latents = pipeline.sample_latents(picture, poses, scenes, fronts, runtime=runtime, **arguments)
    runtime.stage("decoding and composing")
    made = _Decoded(pipeline.decoded_frames(latents, runtime, options.store), latents.shape[2])
    return composed_frames(
        made, clips, opened.bk, source=opened.vid, occlusion=opened.occ, masks=masks, overlap=OVERLAP, ramp=ramp
    )


class _Decoded(Sequence[NDArray[np.uint8]]):
    """Frames that are decoded when they are asked for, each once and in order."""

    def __init__(self, frames: Iterator[NDArray[np.uint8]], count: int) -> None:
        self._frames = frames
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return next(self._frames)


def _require_body(template: Template | TemplateFrames) -> None:
    if template.sdc is None:
        raise DisMoError(
            "The template has no body render (sdc.mp4), which the network follows; its mask serves insertion only. Make one with a body "
            "model, or use a template that has one."
        )
