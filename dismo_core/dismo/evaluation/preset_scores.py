"""Ready-made moves and drawn paths on held-out pictures: their definition against what the layered model's video shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...evaluation import measure
from ...evaluation.camera_steps import camera_steps
from ...evaluation.score import velocity_cosine
from ...runtime import Runtime
from ...synthetic.held_out.scenes import FINE, SAMPLES, Frames, Scene, Stage, draw_scene, plan
from ...synthetic.held_out.scenes import SIZE as UNIT
from ...synthetic.renderer import Screen
from ..drawn_motion import Part, Way
from ..drawn_path import SAMPLED, along, path_motion, path_way
from ..layered.layers import take_apart
from ..layered.model import LayeredModel
from ..layered.path import REACH, Path
from ..layered.rendered import RenderedFrames
from ..layered.renderer import Renderer
from ..layered.similarity import Similarity, logarithm
from ..models.extractor import MotionExtractor
from ..motion import Motion
from .edits import speed_ratio

Array = NDArray[np.float64]
WANTED = 0.95
DETAIL = 2  # px for one of the scenes: growth is measured on the area of a thing, too small in pictures of 64 px
SIZE = UNIT * DETAIL
SCREEN = Screen(SIZE, SAMPLES, FINE, DETAIL)
GROUND_REACH = float(REACH[2])  # sides of the picture that a 1 in growth or turn moves points of a ground, on average
GREATER = 1.8  # times the growth of the definition: so far a thing that grows too much is followed
MARGIN = 13.0  # px of the scene that stay between a thing's middle and the edges, where its way allows
CANVAS = 512  # px, both sides of what the paths are drawn on
ROUND = np.linspace(0, 2 * np.pi, 33)
PATHS: dict[str, Array] = {
    "line": np.array([[110.0, 330.0], [400.0, 180.0]]),
    "circle": np.stack([256 + 90 * np.cos(ROUND), 256 + 90 * np.sin(ROUND)], axis=1),
    "zigzag": np.array([[110.0, 300.0], [206.0, 200.0], [302.0, 300.0], [398.0, 200.0]]),
    "S": np.stack([256 + 70 * np.sin(ROUND), 120 + 272 * ROUND / ROUND[-1]], axis=1),
}


def pictures(part: Part, way: Way, count: int) -> list[Scene]:
    """The first held-out scenes whose pictures suit a move: grounds; things; for turns and growth, things made for these."""
    if part == "camera":
        family = "pan"
    else:
        family = "rotation" if bool(way.turn.any()) else "scale" if bool(way.growth.any()) else "translation"
    indices = (index for index in range(64 * count + 64) if plan(index)[0] == family)
    return [draw_scene(next(indices)) for _ in range(count)]


def still_picture(scene: Scene, way: Way) -> tuple[Frames, Array]:
    """A picture uint8 [H, W, 3], and the mask of the thing in it, put where its way fits best."""
    target = scene.targets["same"]
    stage: Stage = target.stage
    if scene.family != "pan":
        shift = way.shift.numpy() * UNIT
        low, high = MARGIN - shift.min(0), UNIT - 1 - MARGIN - shift.max(0)
        stage = replace(stage, start=np.where(low <= high, np.clip(stage.start, low, high), (low + high) / 2))
    frames, masks = stage.render(target.path.still, SCREEN)
    return np.asarray(frames[0]), np.asarray(masks[0])


def velocities(way: Way, part: Part, video: Frames, picture: Frames, mask: Array) -> tuple[Array, Array]:
    """What points should go in each step by the move's definition, and what the video shows, [T - 1, 4] px both.

    Shift x, y; growth and turn as the way of a point at the mean distance from the middle, of a thing: of its outline. Of things,
    growth and turn are measured where the move has them.
    """
    true = way.steps(part).numpy()
    if part == "camera":
        scale, shift = (torch.from_numpy(values) for values in camera_steps(video))
        rate, glide = (values.numpy() for values in logarithm(Similarity(scale, shift)))
        shown = np.stack([glide.real, glide.imag, rate.real, rate.imag], axis=1)
        weight = SIZE * np.array([1, 1, GROUND_REACH, GROUND_REACH])
        return weight * true, weight * shown
    radius = float(np.sqrt(mask.sum() / np.pi))
    track = measure.track_object(video, picture, mask, float((GREATER * way.growth.max()).exp()))
    found = track.found[1:] & track.found[:-1]
    shown = np.zeros_like(true)
    shown[:, :2] = np.diff(track.displacement, axis=0) / SIZE
    if bool(way.growth.any()):
        true[:, 2] = np.diff(np.exp(way.growth.numpy()))
        shown[:, 2] = np.diff(np.sqrt(track.size / max(track.size[0], 1e-6)))
    if bool(way.turn.any()):
        shown[:, 3] = np.diff(measure.track_angle(video, track, 1.3 * radius))
    weight = np.array([SIZE, SIZE, radius, radius])
    return weight * true, weight * shown * found[:, None]


def true_video(way: Way, part: Part, picture: Frames, mask: Array) -> Frames:
    """The picture as the definition itself moves it, by the layered model's renderer: what the measurement can see."""
    steps = torch.zeros(way.frames - 1, 8, dtype=torch.float64)
    steps[:, slice(0, 4) if part == "camera" else slice(4, 8)] = way.steps(part)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    centre = [float((mask * axis).sum() / max(mask.sum(), 1e-9) - (SIZE - 1) / 2) for axis in (x, y)]
    image = torch.from_numpy(picture.astype(np.float32) / 255)
    layers = take_apart(image, None if part == "camera" else torch.from_numpy(mask).float())
    frames = RenderedFrames(Renderer(layers), Path(steps, 8.0), (centre[0], centre[1]), 8.0)
    return torch.stack(list(frames)).numpy()


def score_way(
    model: LayeredModel, motion: Motion, way: Way, part: Part, count: int
) -> tuple[list[dict[str, float]], list[Frames]]:
    """A motion against its definition on `count` pictures: cosine, share of the speed; cosine of the definition itself drawn."""
    rows, videos = [], []
    for scene in pictures(part, way, count):
        picture, mask = still_picture(scene, way)
        image = torch.from_numpy(picture.astype(np.float32) / 255)
        given = None if part == "camera" else torch.from_numpy(mask).float()
        video = model.transfer(motion, image, mask=given, runtime=Runtime.cpu()).numpy()
        true, shown = velocities(way, part, video, picture, mask)
        bound = velocities(way, part, true_video(way, part, picture, mask), picture, mask)
        rows.append(
            {
                "velocity_cosine": velocity_cosine(true, shown),
                "speed_ratio": speed_ratio(true, shown),
                "bound": velocity_cosine(*bound),
            }
        )
        videos.append(video)
    return rows, videos


def score_paths(
    model: LayeredModel, extractor: MotionExtractor, names: Sequence[str], count: int, progress: Callable[[], None]
) -> tuple[list[dict[str, Any]], list[tuple[str, list[Frames]]]]:
    """Paths of these names, drawn as a user draws them; see `score_way`. And for a sheet the drawn clip with one video of each."""
    rows, shown = [], []
    for name in names:
        points = PATHS[name]
        motion, sampled = path_motion(points, extractor, size=(CANVAS, CANVAS))
        way, _ = path_way(along(points, motion.frames, "constant"), (CANVAS, CANVAS))
        scores, videos = score_way(model, motion, way, "thing", count)
        rows.append({"name": name, "part": "path"} | medians(scores))
        shown.append(
            (
                f"path {name}: cosine {rows[-1]['velocity_cosine']:.3f}",
                [sampled.numpy()[:, :: SAMPLED // SIZE, :: SAMPLED // SIZE], videos[0]],
            )
        )
        progress()
    return rows, shown


def medians(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of every score the median; and the lowest cosine."""
    found = {name: float(np.median([score[name] for score in scores])) for name in scores[0]}
    return found | {"lowest_cosine": min(score["velocity_cosine"] for score in scores)}
