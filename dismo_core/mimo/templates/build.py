"""A template made of a clip and a person mask (docs/methods/mimo.md, 7)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...video import iter_video, probe
from ...video.audio import read_audio
from ...video.read import resize
from ..crops.silhouette import silhouette
from .background import DILATE, fill_background
from .config import CONFIG_FPS
from .template import MAX_FRAMES, Template

if TYPE_CHECKING:
    from ...video import Audio

log = logging.getLogger(__name__)

LARGEST = 720  # px of the shorter side, where both are larger
INVERTED = 0.6  # of the frame, above which a mask is hardly a person


def build_template(
    clip: str | Path,
    mask: str | Path | Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    *,
    body: str | Path | None = None,
    background: str | Path | None = None,
    occlusion: str | Path | None = None,
    start: float = 0.0,
    max_frames: int = MAX_FRAMES,
    align: str = "none",
    dilate: int = DILATE,
    name: str = "template",
    stage: Callable[[str], None] = lambda label: None,
) -> Template:
    """A template at 30 fps from videos of one size and length.

    Args:
        clip: video with a person.
        mask: video, white where the person is; or what finds it: uint8 [F, H, W, 3] -> uint8 [F, H, W], 255 = person.
        body: video of the body on black; None = the template serves insertion, not the network.
        background: video of the scene without the person; None = filled from the clip.
        occlusion: video, white where something stands in front; None = nothing does.
        start: seconds of the clip that are left out.
        max_frames: at most.
        align: how the camera moves, see `fill_background`.
        dilate: see `fill_background`.
        name: of the template.
        stage: called with what begins.

    Raises:
        DisMoError: videos of other sizes or lengths, or that are not to be read.
    """
    if max_frames < 1:
        raise DisMoError(f"max_frames must be 1 or more, not {max_frames}.")
    info = probe(clip)
    size = fitted_size(info.width, info.height)
    own = None if callable(mask) else mask
    given = {"vid": clip, "mask": own, "sdc": body, "bk": background, "occ": occlusion}
    frames: dict[str, Any] = {}
    for key, path in given.items():
        if path is None:
            continue
        stage(f"reading {Path(path).name}")
        here = probe(path)
        if (here.width, here.height) != (info.width, info.height):
            raise DisMoError(
                f"{path} is {here.width}x{here.height} px, the clip {info.width}x{info.height}. Give videos of one size."
            )
        read = [
            resize(frame, size).numpy() for frame in iter_video(path, fps=CONFIG_FPS, start=start, frames=max_frames)
        ]
        frames[key] = np.stack([one[..., 0] for one in read] if key in ("mask", "occ") else read)
    if callable(mask):
        stage("segmenting the person")
        frames["mask"] = mask(frames["vid"])
    sound = read_audio(clip, start, len(frames["vid"]) / CONFIG_FPS)
    named = {key: str(path) for key, path in given.items() if path is not None}
    return assemble_template(
        frames, fps=CONFIG_FPS, name=name, sound=sound, align=align, dilate=dilate, named=named, stage=stage
    )


def assemble_template(
    frames: Mapping[str, NDArray[np.uint8]],
    *,
    fps: float,
    name: str = "template",
    sound: Audio | None = None,
    align: str = "none",
    dilate: int = DILATE,
    named: Mapping[str, str] | None = None,
    stage: Callable[[str], None] = lambda label: None,
) -> Template:
    """A template of frames of one size and number; the background is filled where there is none.

    Args:
        frames: `vid`, and `mask` or `sdc`; also `bk`, `occ`; as `TemplateFrames` has them.
        fps: of them all.
        name: of the template.
        sound: of the clip.
        align: see `fill_background`.
        dilate: likewise.
        named: how messages call them; None = by these keys.
        stage: called with what begins.

    Raises:
        DisMoError: sizes or numbers that differ; neither mask nor body.
    """
    parts: dict[str, Any] = dict(frames)
    names = {key: key for key in parts} | dict(named or {})
    count, height, width = parts["vid"].shape[:3]
    for key, video in parts.items():
        if video.shape[1:3] != (height, width):
            raise DisMoError(
                f"{names[key]} is {video.shape[2]}x{video.shape[1]} px, the clip {width}x{height}. Give videos of one size."
            )
        if len(video) != count:
            raise DisMoError(
                f"{names[key]} has {len(video)} frames at {fps:g} fps, the clip {count}. Give videos of one length, from one start."
            )
    if "mask" not in parts and "sdc" not in parts:
        raise DisMoError(
            "Neither a mask of the person nor a body is given, so nothing says where the person is. Give one."
        )
    if "mask" in parts and (share := float((parts["mask"] > 127).mean())) > INVERTED:
        log.warning(
            "The person mask covers %.0f %% of the frame. Is it inverted? The person must be white.", 100 * share
        )
    if "bk" not in parts:
        stage("filling the background")
        person = parts["mask"] if "mask" in parts else silhouette(parts["sdc"])
        parts["bk"], unseen = fill_background(parts["vid"], person, dilate=dilate, align=align, return_unseen=True)
        if unseen.any():
            log.info("No frame shows %.1f %% of the scene; that is filled smoothly.", 100 * (unseen > 0).any(0).mean())
    return Template(**parts, fps=fps, name=name, sound=sound)


def fitted_size(width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of a template of a clip: shorter side at most 720 px, even."""
    scale = LARGEST / min(width, height) if min(width, height) > LARGEST else 1.0
    rows, columns = (2 * max(1, round(side * scale / 2)) for side in (height, width))
    return rows, columns
