"""A character's own frames in place of a template's person (docs/methods/mimo.md, 9)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...runtime import Runtime
from ..templates.template import Template, TemplateFrames
from .effects import ColorShift, matching, with_shadow
from .front import Front
from .place import alpha_of, place
from .track import Track, smoothed, track_masks, track_person

Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]

ANCHORS = ("feet", "centre", "none")
SCALES = ("height", "none")
TIMES = ("stretch", "loop", "trim")


@dataclass(frozen=True)
class Insertion:
    """How a character is put in.

    Args:
        anchor: what lies on the same place of the person: "feet", "centre", or "none" (the frames lie as they are).
        scale: "height" makes it as tall as the person, "none" leaves its size.
        size: factor on that, 0.1..4.
        offset: (right, down) px.
        time: its frames over those of the template: "stretch", "loop", or "trim" the longer ones.
        character_fps: rate of its frames, for "loop" and "trim"; None = the template's.
        smooth: frames over which place and height of the person are smoothed, 0..60.
        feather: px over which its edge falls off, 0..32.
        flip: mirror it.
        shadow: draw a soft shadow at its feet.
        match_colour: bring its colors nearer to those of the scene at its feet.

    Raises:
        DisMoError: a choice that there is not, or a number out of range.
    """

    anchor: str = "feet"
    scale: str = "height"
    size: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    time: str = "stretch"
    character_fps: float | None = None
    smooth: int = 5
    feather: float = 0.0
    flip: bool = False
    shadow: bool = False
    match_colour: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("anchor", ANCHORS), ("scale", SCALES), ("time", TIMES)):
            if (value := getattr(self, name)) not in choices:
                raise DisMoError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        for name, low, high in (("size", 0.1, 4), ("smooth", 0, 60), ("feather", 0, 32)):
            if not low <= (value := getattr(self, name)) <= high:
                raise DisMoError(f"{name} must be {low} to {high}, not {value}.")
        if self.character_fps is not None and not 0 < self.character_fps <= 1000:
            raise DisMoError(f"The character's rate must be above 0 and at most 1000 fps, not {self.character_fps}.")


def insert_character(
    frames: Frames,
    alpha: Frames,
    template: Template | TemplateFrames,
    *,
    anchor: str = "feet",
    scale: str = "height",
    size: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
    time: str = "stretch",
    character_fps: float | None = None,
    smooth: int = 5,
    feather: float = 0.0,
    flip: bool = False,
    shadow: bool = False,
    match_colour: bool = False,
    max_frames: int | None = 150,
    runtime: Runtime | None = None,
) -> NDArray[np.uint8]:
    """The character where the person was, behind what stands in front. Needs no network.

    Args:
        frames: uint8 [F, h, w, 3], the character.
        alpha: uint8 [F, h, w], 255 = character.
        template: with background, and body or mask.
        anchor: see `Insertion`.
        scale: likewise.
        size: likewise.
        offset: likewise.
        time: likewise.
        character_fps: likewise.
        smooth: likewise.
        feather: likewise.
        flip: likewise.
        shadow: likewise.
        match_colour: likewise.
        max_frames: of the template, at most; None = all.
        runtime: progress counts frames.

    Returns:
        uint8 [F', H, W, 3], at the template's rate.

    Raises:
        DisMoError: choices that there are not, frames and alpha that do not belong together, a character or a person that is
            nowhere to be seen.
    """
    options = Insertion(anchor, scale, size, offset, time, character_fps, smooth, feather, flip, shadow, match_colour)
    opened = template.open(max_frames) if isinstance(template, Template) else template
    return np.stack(list(inserted_frames(frames, alpha, opened, options, runtime)))


def inserted_frames(
    frames: Frames,
    alpha: Frames,
    template: TemplateFrames,
    options: Insertion,
    runtime: Runtime | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """`insert_character`, one frame after the other; what cannot be done is said at the call."""
    if len(frames) != len(alpha) or not len(frames) or frames[0].shape[:2] != alpha[0].shape:
        shapes = [(len(x), *x[0].shape) if len(x) else (0,) for x in (frames, alpha)]
        raise DisMoError(
            f"The character's frames {list(shapes[0])} and its alpha {list(shapes[1])} do not belong together. "
            "Give one [h, w] for each [h, w, 3]."
        )
    runtime = runtime or Runtime.cpu()
    person = smoothed(track_person(template.sdc, template.mask), options.smooth)
    own = track_masks(alpha)
    if not own.there.any():
        raise DisMoError("The alpha of the character is empty in every frame. Check the mask, or invert it.")
    own = smoothed(own, options.smooth)
    return _frames(frames, alpha, template, options, person, own, runtime)


def _frames(
    frames: Frames,
    alpha: Frames,
    template: TemplateFrames,
    options: Insertion,
    person: Track,
    own: Track,
    runtime: Runtime,
) -> Iterator[NDArray[np.uint8]]:
    tall = float(np.median(own.height[own.there]))
    order = _order(len(frames), len(template), template.fps, options)
    colors: ColorShift | None = None
    front = Front(template) if template.occ is not None and template.vid is not None else None
    for index, number in enumerate(order):
        runtime.check_cancel()
        scene = template.bk[index]
        out, layer = scene.astype(np.float32), None
        if person.there[index] and own.there[number]:
            picture, cutout = frames[number], alpha[number]
            x, top, foot = own.x[number], own.top[number], own.foot[number]
            if options.flip:
                picture, cutout, x = picture[:, ::-1], cutout[:, ::-1], cutout.shape[1] - x
            factor = options.size * (float(person.height[index]) / tall if options.scale == "height" else 1.0)
            shift = _shift(options, factor, (x, top, foot), person, index)
            stands = (factor * x + shift[0], factor * foot + shift[1], factor * tall)
            if options.match_colour:
                colors = colors or matching(picture, cutout, scene, *stands)
                picture = colors.of(picture)
            if options.shadow:
                out = with_shadow(out, *stands)
            layer = place(picture, cutout, factor, shift, (scene.shape[1], scene.shape[0]), options.feather)
            out = out if layer is None else layer.over(out)
        if front is not None:
            out = front.over(out, alpha_of(layer, scene), index)
        yield out.round().clip(0, 255).astype(np.uint8)
        runtime.progress(index + 1, len(order), None)


def _shift(
    options: Insertion, factor: float, own: tuple[float, float, float], person: Track, index: int
) -> tuple[float, float]:
    """Where the origin of the character's frame comes to."""
    x, top, foot = own
    right, down = options.offset
    if options.anchor == "none":
        return right, down
    if options.anchor == "feet":
        y, target = foot, float(person.foot[index])
    else:
        y, target = (top + foot) / 2, float(person.top[index] + person.foot[index]) / 2
    return float(person.x[index]) - factor * x + right, target - factor * y + down


def _order(count: int, frames: int, fps: float, options: Insertion) -> list[int]:
    """Which of the character's `count` frames each frame of the result shows."""
    if count == 1:
        return [0] * frames
    if options.time == "stretch":
        return [round(index * (count - 1) / max(1, frames - 1)) for index in range(frames)]
    step = (options.character_fps or fps) / fps
    numbers = [math.floor(index * step + 1e-9) for index in range(frames)]
    if options.time == "loop":
        return [number % count for number in numbers]
    return [number for number in numbers if number < count]
