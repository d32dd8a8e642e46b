"""The held-out scenes: seeded, and sharing nothing with training but the renderer.

A scene is a driving clip, and for each column a target picture with the video that the same motion would make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..renderer import DrawnObject, Screen, Texture, Trajectory, render
from . import paths, shapes, surfaces
from .paths import FRAMES, Path

Array = NDArray[np.float64]
Frames = NDArray[np.uint8]
Family = Literal["translation", "pan", "scale", "rotation"]

SIZE = 64  # px, both sides
MIDDLE = (SIZE - 1) / 2  # px; the middle of the first pixel is 0
SEED = 20_240_607
COLUMNS = ("same", "elsewhere")
ORDER: tuple[Family, ...] = ("translation", "pan", "translation", "pan", "translation", "pan", "scale", "rotation")
FINE = 2  # ground samples per px and axis
SAMPLES = 4  # of an object per px and axis
MARGIN = 34  # px of ground beyond each edge of a panned picture
SCREEN = Screen(SIZE, SAMPLES, FINE)


def ground_texture(ground: Array) -> Texture:
    """A ground [n, n, 3] of `FINE` samples per px, its middle in the middle of the picture."""
    return Texture(shapes.as_image(ground), span=len(ground) / FINE / 2)


def as_frames(image: Tensor, frames: int) -> Frames:
    """Rendered pictures [1, 3, N or 1, H, W], 0..1 -> uint8 [frames, H, W, 3]."""
    video = (image[0] * 255).round().byte().movedim(0, -1)
    return np.ascontiguousarray(video.expand(frames, -1, -1, -1).numpy())


@dataclass(frozen=True)
class Stage:
    """One ground and at most one object on it, ready to move along any path.

    Args:
        family: `pan` moves the ground with everything on it; the others move the object.
        ground: [n, n, 3], 0..1, `FINE` samples per px; n covers the picture, and for a pan also `MARGIN` around it.
        object: what moves on it, or lies on it; or None.
        start: (x, y) of the object in frame 0, px; the middle of the first pixel is (0, 0).
    """

    family: Family
    ground: Array
    object: DrawnObject | None
    start: Array

    def _objects(self, path: Path) -> list[tuple[DrawnObject, Trajectory]]:
        return [] if self.object is None else [(self.object, path.trajectory(self.start - MIDDLE))]

    @cached_property
    def _ground(self) -> Texture:
        """The ground; for pans with the object laid down on it."""
        ground = ground_texture(self.ground)
        if self.family != "pan":
            return ground
        image, _ = render(ground, self._objects(Path.at_rest(1)), Screen(len(self.ground), SAMPLES, density=FINE))
        return replace(ground, image=image[:, :, 0])

    def render(self, path: Path, screen: Screen = SCREEN) -> tuple[Frames, Array]:
        """The video along `path`: frames uint8 [25, 64, 64, 3], and the object's coverage [25, 64, 64], 0..1.

        Args:
            path: of the object, or of the ground.
            screen: another one gives frames of its size.
        """
        image, covered = render(self._ground, self._objects(path), screen)
        if self.family == "pan":
            image, _ = render(self._ground, [], screen, path.trajectory())
        masks = covered[0][0].numpy() if covered else np.zeros((FRAMES, screen.size, screen.size))
        return as_frames(image, FRAMES), masks


@dataclass(frozen=True, eq=False)
class Target:
    """What a transfer should make of one picture.

    Args:
        stage: the target's ground and object.
        path: the true motion.
        truth: uint8 [25, 64, 64, 3], the true target video; frame 0 is the target picture.
        masks: [25, 64, 64], 0..1, coverage by the object in each frame of the truth.
        seen: bool [25, 64, 64], pixels of the truth whose content lies inside the target picture (all, unless a pan).
    """

    stage: Stage
    path: Path
    truth: Frames
    masks: Array
    seen: NDArray[np.bool_]

    @property
    def picture(self) -> Frames:
        """uint8 [64, 64, 3]."""
        return np.asarray(self.truth[0])

    @property
    def controls(self) -> Controls:
        """Videos that a measurement must tell from a transfer."""
        return Controls(self)


CONTROLS: dict[str, Callable[[Path], Path]] = {
    "true video": lambda path: path,
    "still": lambda path: path.still,
    "linear timing": lambda path: path.linear,
    "one jump": lambda path: path.jump,
    "direction only": lambda path: path.direction_only,
    "steps shuffled": lambda path: path.shuffled(np.random.default_rng(int(path.displacement.sum() * 1e6) % 2**32)),
}


class Controls(Mapping[str, Frames]):
    """The control videos of one target by name, uint8 [25, 64, 64, 3] each, rendered when asked for."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __getitem__(self, name: str) -> Frames:
        return self._target.stage.render(CONTROLS[name](self._target.path))[0]

    def __iter__(self) -> Iterator[str]:
        return iter(CONTROLS)

    def __len__(self) -> int:
        return len(CONTROLS)


@dataclass(frozen=True)
class Scene:
    """A driving clip and its targets.

    Args:
        index: position in the benchmark; scenes are the same however many are drawn.
        family: what moves.
        law: how (see `paths`).
        changing: it stops, reverses, changes speed or curves by 90 degrees.
        driver: uint8 [25, 64, 64, 3].
        driver_masks: [25, 64, 64], coverage by the driving object.
        targets: per column: `same` starts where the driver does, `elsewhere` somewhere else.
    """

    index: int
    family: Family
    law: str
    changing: bool
    driver: Frames
    driver_masks: Array
    targets: dict[str, Target]


def _palette(rng: np.random.Generator) -> list[Array]:
    """Mean colors of driver object, target object, driver ground, target ground: all unlike."""
    while True:
        colors = [
            rng.uniform(0.08, 0.92, 3),
            rng.uniform(0.08, 0.92, 3),
            *(rng.uniform(0.25, 0.75) + rng.uniform(-0.12, 0.12, 3) for _ in range(2)),
        ]
        apart = [np.linalg.norm(colors[i] - colors[j]) for i, j in ((0, 1), (0, 2), (1, 3), (2, 3))]
        if apart[0] > 0.5 and min(apart[1:3]) > 0.48 and apart[3] > 0.25:
            return colors


def _starts(rng: np.random.Generator, path: Path, radius: float) -> tuple[Array, Array]:
    """Two starts (x, y), px, from which an object of `radius` stays in the picture; as far apart as 16 draws find."""
    low = radius - path.displacement.min(0)
    high = SIZE - 1 - radius - path.displacement.max(0)
    first, *others = rng.uniform(low, np.maximum(high, low), (17, 2))
    return first, max(others, key=lambda p: float(np.linalg.norm(p - first)))


def _path(rng: np.random.Generator, family: Family, law: str) -> Path:
    if family == "translation":
        return Path(displacement=paths.travel(rng, law, 0.4, 3.0, rng.uniform(17, 27)))
    if family == "pan":
        return Path(displacement=paths.travel(rng, law, 0.4, 2.5, rng.uniform(16, MARGIN - 4)))
    if family == "scale":
        return Path(log_scale=paths.sweep(rng, law, np.log(1.35), np.log(1.7)))
    return Path(angle=paths.sweep(rng, law, np.deg2rad(60), np.deg2rad(150)))


def plan(index: int) -> tuple[Family, bool]:
    """Family of a scene, and whether it is changing: every second one of a family is."""
    turn, place = divmod(index, len(ORDER))
    return ORDER[place], (turn + place // 2) % 2 == 1


def draw_scene(index: int, seed: int = SEED) -> Scene:
    """Scene number `index` >= 0."""
    rng = np.random.default_rng([seed, index])
    family, changing = plan(index)
    scalar = family in ("scale", "rotation")
    laws = (
        (paths.SCALAR_CHANGING if scalar else paths.CHANGING)
        if changing
        else (paths.SCALAR_SMOOTH if scalar else paths.SMOOTH)
    )
    law = str(rng.choice(laws))
    path = _path(rng, family, law)
    radius = rng.uniform(8.0, 12.0) if family != "scale" else rng.uniform(8.0, 10.0)
    tallest = radius * float(np.exp(path.log_scale.max()))
    colors = _palette(rng)
    kinds = rng.choice(shapes.TURNABLE if family == "rotation" else list(shapes.KINDS), 2, replace=False)
    grounds = rng.choice(list(surfaces.KINDS), 2, replace=False)
    skins = rng.choice(["grain", "plaid", "pebbles", "wood"], 2)
    samples = FINE * (SIZE + 2 * MARGIN if family == "pan" else SIZE)
    ground = [surfaces.surface(rng, samples, colors[2 + i], rng.uniform(0.07, 0.12), str(grounds[i])) for i in range(2)]
    objects = [
        shapes.draw_object(rng, str(kinds[i]), radius, surfaces.surface(rng, 96, colors[i], 0.07, str(skins[i])))
        for i in range(2)
    ]
    bare = family == "pan" and index // len(ORDER) % 2 == 1
    if family == "pan":
        first, other = rng.uniform(radius, SIZE - radius, (2, 2))
    else:
        first, other = _starts(rng, path, tallest * max(map(shapes.room, objects)) + 0.5)
    driver, driver_masks = Stage(family, ground[0], None if bare else objects[0], first).render(path)
    targets = {}
    for column, start in zip(COLUMNS, (first, other), strict=True):
        view = ground[1][::-1, ::-1] if bare and column == "elsewhere" else ground[1]
        stage = Stage(family, view, None if bare else objects[1], start)
        truth, masks = stage.render(path)
        targets[column] = Target(stage, path, truth, masks, _seen(path if family == "pan" else path.still))
    return Scene(index, family, law, changing, driver, driver_masks, targets)


def _seen(path: Path) -> NDArray[np.bool_]:
    """Pixels [25, 64, 64] whose content, moved back by the path's displacement, lies inside frame 0."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    dx, dy = path.displacement[:, 0, None, None], path.displacement[:, 1, None, None]
    return np.asarray((x - dx >= 0) & (x - dx <= SIZE - 1) & (y - dy >= 0) & (y - dy <= SIZE - 1))


def draw_scenes(count: int = 64, seed: int = SEED) -> list[Scene]:
    """The first `count` scenes: of each eight, three translations, three pans, one scale and one rotation."""
    return [draw_scene(i, seed) for i in range(count)]
