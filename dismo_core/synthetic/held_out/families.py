"""Held-out clips of seven motion families in eight appearances: what embeddings know of the one and of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..renderer import render
from . import shapes, surfaces
from .paths import Path
from .scenes import FINE, MARGIN, MIDDLE, SCREEN, SIZE, Frames, as_frames, ground_texture

Array = NDArray[np.float64]
FAMILIES = ("translate", "pan", "zoom", "scale", "rotate", "oscillate", "still")
APPEARANCES = 8
CLIP_FRAMES = 13
CLIP_SEED = 20_250_318


@dataclass(frozen=True)
class ClipMotion:
    """How ground (with everything on it) and object move over T frames, about 0 in the middle of the clip.

    Args:
        camera: displacement, px, and growth of the picture's content about its middle.
        object: displacement, px, growth and turn of the object.
    """

    camera: Path
    object: Path


def draw_motion(rng: np.random.Generator, family: str, frames: int = CLIP_FRAMES) -> ClipMotion:
    """Motion of one family: in any direction or sense, at a rate that rises or falls by up to a half over the clip."""
    step = np.arange(frames) - (frames - 1) / 2
    way = step + rng.uniform(-0.5, 0.5) * step**2 / (frames - 1)
    way = way - way.mean()
    angle, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    direction = np.array([np.cos(angle), np.sin(angle)])
    rest, nowhere, none = Path.at_rest(frames), np.zeros((frames, 2)), np.zeros(frames)
    if family == "translate":
        return ClipMotion(rest, Path(rng.uniform(0.8, 2.2) * way[:, None] * direction, none, none))
    if family == "pan":
        return ClipMotion(Path(rng.uniform(0.8, 2.2) * way[:, None] * direction, none, none), rest)
    if family == "zoom":
        return ClipMotion(Path(nowhere, sign * rng.uniform(0.02, 0.05) * way, none), rest)
    if family == "scale":
        return ClipMotion(rest, Path(nowhere, sign * rng.uniform(0.035, 0.085) * way, none))
    if family == "rotate":
        return ClipMotion(rest, Path(nowhere, none, sign * rng.uniform(0.07, 0.15) * way))
    if family == "oscillate":
        swing = np.sin(2 * np.pi * (step / rng.uniform(6, 10) + rng.uniform()))
        return ClipMotion(rest, Path(rng.uniform(2.5, 5) * swing[:, None] * direction, none, none))
    return ClipMotion(rest, rest)


@dataclass(frozen=True)
class Appearance:
    """What one class of appearance has in common.

    Args:
        ground: [3], mean color, 0..1.
        object: [3], mean color, 0..1.
        contrast: deviation of the ground's luma.
        ground_kind: of its surface.
        skin_kind: of the object's surface.
        shape_kind: of outline.
    """

    ground: Array
    object: Array
    contrast: float
    ground_kind: str
    skin_kind: str
    shape_kind: str


def draw_appearance(number: int) -> Appearance:
    """Class of appearance number 0, 1, ...; object and ground are unlike in color."""
    rng = np.random.default_rng([CLIP_SEED, number])
    ground = rng.uniform(0.25, 0.75) + rng.uniform(-0.12, 0.12, 3)
    color = rng.uniform(0.08, 0.92, 3)
    while np.linalg.norm(color - ground) < 0.48:
        color = rng.uniform(0.08, 0.92, 3)
    kinds = sorted(surfaces.KINDS)
    contrast = float(rng.uniform(0.07, 0.14))
    return Appearance(
        ground, color, contrast, str(rng.choice(kinds)), str(rng.choice(kinds)), str(rng.choice(shapes.TURNABLE))
    )


def draw_clip(rng: np.random.Generator, appearance: Appearance, motion: ClipMotion) -> Frames:
    """A clip uint8 [T, 64, 64, 3] of a new ground and a new object of that appearance."""
    side = FINE * (SIZE + 2 * MARGIN)
    ground = surfaces.surface(rng, side, appearance.ground, appearance.contrast, appearance.ground_kind)
    skin = surfaces.surface(rng, 96, appearance.object, 0.07, appearance.skin_kind)
    drawn = shapes.draw_object(rng, appearance.shape_kind, rng.uniform(8, 11), skin)
    start = MIDDLE + rng.uniform(-8, 8, 2)
    objects = [(drawn, motion.object.trajectory(start - MIDDLE))]
    image, _ = render(ground_texture(ground), objects, SCREEN, motion.camera.trajectory())
    return as_frames(image, len(motion.object.angle))


def draw_clips(each: int, appearances: int = APPEARANCES) -> tuple[list[Frames], list[str], list[str]]:
    """`each` clips of every family in every appearance.

    Returns:
        The clips; the family of each; the appearance of each, "appearance 0" and so on.
    """
    clips, families, appearances_of = [], [], []
    for number in range(appearances):
        for kind, family in enumerate(FAMILIES):
            for take in range(each):
                rng = np.random.default_rng([CLIP_SEED, number, kind, take])
                clips.append(draw_clip(rng, draw_appearance(number), draw_motion(rng, family)))
                families.append(family)
                appearances_of.append(f"appearance {number}")
    return clips, families, appearances_of
