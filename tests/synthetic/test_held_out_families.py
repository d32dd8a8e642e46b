"""Held-out clips of motion families: the same to the last bit, and they move as their name says."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_held_out_scenes import digest

from dismo_core.synthetic.held_out.families import (
    FAMILIES,
    ClipMotion,
    draw_appearance,
    draw_clip,
    draw_clips,
    draw_motion,
)

DIGESTS = json.loads((Path(__file__).parent / "held_out_digests.json").read_text())["families"]


def clip(family: str, appearance: int = 0, seed: int = 0) -> tuple[ClipMotion, np.ndarray]:
    rng = np.random.default_rng(seed)
    motion = draw_motion(rng, family)
    return motion, draw_clip(rng, draw_appearance(appearance), motion)


def test_pixels_are_those_of_all_results_so_far() -> None:
    clips, families, appearances = draw_clips(1, 1)
    assert tuple(families) == FAMILIES and set(appearances) == {"appearance 0"}
    assert [digest(c) for c in clips] == DIGESTS


def test_a_pan_moves_everything_by_what_it_says() -> None:
    motion, frames = clip("pan")
    way = np.round(motion.camera.displacement - motion.camera.displacement[0]).astype(int)
    (dx, dy), steps = way[-1], np.abs(way[-1])
    assert np.hypot(dx, dy) > 9
    y, x = np.mgrid[0:64, 0:64]
    inside = (x - dx >= steps[0]) & (x - dx < 64 - steps[0]) & (y - dy >= steps[1]) & (y - dy < 64 - steps[1])
    there, here = frames[-1][inside].astype(float), frames[0][y[inside] - dy, x[inside] - dx].astype(float)
    still = frames[0][inside].astype(float)
    assert np.abs(there - here).mean() < 0.5 * np.abs(there - still).mean()  # off by up to half a px


def test_only_a_still_stands_still() -> None:
    change = {f: np.abs(np.diff(clip(f, 1)[1].astype(float), axis=0)).mean() for f in FAMILIES}
    assert change.pop("still") == 0 and min(change.values()) > 0.1
    assert min(change, key=lambda f: -change[f]) in ("pan", "zoom")  # the whole picture moves


@pytest.mark.parametrize("family", ["translate", "scale", "rotate", "oscillate"])
def test_the_ground_stands_still_under_an_object(family: str) -> None:
    frames = clip(family, 2)[1]
    corners = np.concatenate(
        [frames[:, :6, :6].reshape(len(frames), -1), frames[:, -6:, -6:].reshape(len(frames), -1)], 1
    )
    assert (corners == corners[0]).all(1).mean() > 0.5


def test_an_oscillation_comes_back_and_a_translation_does_not() -> None:
    for seed in range(20):
        swing, way = (of_seed(f, seed).object.displacement for f in ("oscillate", "translate"))
        direction = way[-1] - way[0]
        assert (np.diff(way @ direction) > 0).all()
        signs = np.sign(np.diff(swing @ swing[np.linalg.norm(swing, axis=1).argmax()]))
        assert (np.diff(signs) != 0).sum() >= 2


def of_seed(family: str, seed: int) -> ClipMotion:
    return draw_motion(np.random.default_rng(seed), family)


def test_zoom_and_scale_change_size_by_an_amount_to_see() -> None:
    for seed in range(20):
        assert 0.2 < abs(np.ptp(of_seed("zoom", seed).camera.log_scale)) < 0.65
        assert 0.4 < abs(np.ptp(of_seed("scale", seed).object.log_scale)) < 1.05
        assert 0.8 < abs(np.ptp(of_seed("rotate", seed).object.angle)) < 1.85
