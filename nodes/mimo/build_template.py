"""The node that makes a template of a clip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from comfy_api.latest import InputImpl, io

from ..shared import clips, compat, host
from ..shared.audio import to_audio
from ..shared.sockets import MimoTemplate
from .media import to_frames, to_masks

if TYPE_CHECKING:
    from comfy_api.latest import Input
    from numpy.typing import NDArray

    from ...dismo_core.video import Audio

NODE = "Build MIMO Template"


class BuildTemplate(io.ComfyNode):
    """Clip and what is known of it -> DISMO_MIMO_TEMPLATE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMimoBuildTemplate.md`."""
        return io.Schema(
            node_id="DisMoMimoBuildTemplate",
            display_name="Build MIMO Template",
            category="DisMo/MIMO/template",
            description="Makes a driving template of a clip with a person. A mask of the person is enough to insert characters; "
            "the networks also need a body.",
            inputs=[
                io.Video.Input(
                    "video", optional=True, tooltip="The clip, with its sound. Leave empty if images are connected."
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames, already at the rate fps. Leave empty if a video is connected.",
                ),
                io.Mask.Input(
                    "person", optional=True, tooltip="White where the person is, a mask for each frame of the clip."
                ),
                io.Image.Input(
                    "body",
                    optional=True,
                    tooltip="A picture of the body on black for each frame, from MIMO Render Body.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="The scene without the person, for each frame. Without it the other frames fill in what they show.",
                ),
                io.Mask.Input(
                    "occlusion", optional=True, tooltip="White where something stands in front, for each frame."
                ),
                io.Float.Input(
                    "fps",
                    default=30.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of the template. A video with more is thinned out, one with fewer keeps its own.",
                ),
                io.Int.Input("max_frames", default=150, min=1, max=4096, tooltip="Use so many frames at most."),
                io.Combo.Input(
                    "person_from",
                    options=["mask", "background difference"],
                    default="mask",
                    tooltip="mask = the input person says where the person is; background difference = what changes before a still "
                    "camera, for those who have no mask.",
                ),
            ],
            outputs=[
                MimoTemplate.Output(
                    "template", display_name="template", tooltip="Goes into Save MIMO Template, or is used at once."
                )
            ],
            **compat.aliases("dismo", "mimo", "driving template"),
        )

    @classmethod
    def execute(
        cls,
        fps: float,
        max_frames: int,
        person_from: str,
        video: Input.Video | None = None,
        images: Input.Image | None = None,
        person: Input.Mask | None = None,
        body: Input.Image | None = None,
        background: Input.Image | None = None,
        occlusion: Input.Mask | None = None,
    ) -> io.NodeOutput:
        """Read, thin out and shrink the parts alike, then leave it to `assemble_template`."""
        from ...dismo_core import DisMoError
        from ...dismo_core.mimo.templates.build import assemble_template, fitted_size
        from ...dismo_core.mimo.templates.difference import person_by_difference

        clips.require_one(NODE, video, images)
        if max_frames < 1 or not 0 < fps <= 1000:
            raise DisMoError(
                f"max_frames must be 1 or more and fps above 0 and at most 1000, not {max_frames} and {fps}."
            )
        frames, rate, taken, own, sound = _clip(video, images, fps, max_frames)
        size = fitted_size(frames.shape[2], frames.shape[1])
        parts: dict[str, Any] = {"vid": frames}
        masks = {"mask": person if person_from == "mask" else None, "occ": occlusion}
        parts |= {key: to_masks(mask, _NAMES[key]) for key, mask in masks.items() if mask is not None}
        parts |= {key: to_frames(x) for key, x in (("sdc", body), ("bk", background)) if x is not None}
        given = {key: _alike(part, taken, own, _NAMES[key]) if key != "vid" else part for key, part in parts.items()}
        for key, part in given.items():
            if part.shape[1:3] != frames.shape[1:3]:
                raise DisMoError(
                    f"{_NAMES[key]} is {part.shape[2]}x{part.shape[1]} px, the clip {frames.shape[2]}x{frames.shape[1]}. "
                    "Give all of one size."
                )
        given = {key: _resized(part, size) for key, part in given.items()}
        runtime = host.runtime()
        if person_from != "mask":
            runtime.stage("finding the person")
            given["mask"] = person_by_difference(given["vid"])
        template = assemble_template(given, fps=rate, sound=sound, named=_NAMES, stage=runtime.stage)
        return io.NodeOutput(template)


_NAMES = {"vid": "video", "mask": "person", "sdc": "body", "bk": "background", "occ": "occlusion"}


def _clip(
    video: Input.Video | None, images: Input.Image | None, fps: float, max_frames: int
) -> tuple[NDArray[np.uint8], float, list[int], int, Audio | None]:
    """Frames uint8 [T,H,W,3], their rate, which of the clip's own frames they are, how many those are, and the sound."""
    if images is not None:
        frames = to_frames(images[:max_frames])
        return frames, fps, list(range(len(frames))), len(images), None
    assert video is not None
    count, own_rate = clips.own_frames(video, InputImpl.VideoFromFile)
    read, rate = clips.beginning(video, fps, max_frames, InputImpl.VideoFromFile)
    read = read[:max_frames]  # a slower clip may hold fewer in as much time
    taken = [min(count - 1, math.floor(index * own_rate / rate + 1e-6)) for index in range(len(read))]
    return read.numpy(), rate, taken, count, _sound(video, len(read) / rate)


def _sound(video: Input.Video, seconds: float) -> Audio | None:
    """The beginning of a clip's sound."""
    from ...dismo_core.video.audio import read_audio

    path = clips.whole_file(video, InputImpl.VideoFromFile)
    if path is not None:
        return read_audio(path, 0.0, seconds)
    return to_audio(video.get_components().audio)


def _alike(part: NDArray[np.uint8], taken: list[int], own: int, name: str) -> NDArray[np.uint8]:
    """The pictures that belong to the clip's frames: one for all, one each, or one for each of the clip's own frames.

    Raises:
        DisMoError: another number of them, in the name of an input.
    """
    from ...dismo_core import DisMoError

    if len(part) == 1:
        return np.repeat(part, len(taken), 0)
    if abs(len(part) - own) <= 1 and len(part) > taken[-1]:  # players count the last frame differently
        return part[taken]
    if len(part) == len(taken):
        return part
    raise DisMoError(
        f"{name} has {len(part)} pictures, the clip {own} frames, of which {len(taken)} are used. Give one for each frame."
    )


def _resized(part: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames or masks in another size (rows, columns)."""
    import torch

    from ...dismo_core.video.read import resize

    if part.shape[1:3] == size:
        return part
    whole = part if part.ndim == 4 else np.repeat(part[..., None], 3, 3)
    shrunk = np.stack([resize(torch.from_numpy(frame), size).numpy() for frame in whole])
    return shrunk if part.ndim == 4 else shrunk[..., 0]
