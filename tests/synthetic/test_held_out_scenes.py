"""The held-out scenes: the same to the last bit, repeatable, and what their labels say."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from dismo_core import DisMoError
from dismo_core.synthetic.held_out import paths
from dismo_core.synthetic.held_out.scenes import COLUMNS, SIZE, Scene, draw_scene, plan

DIGESTS = json.loads((Path(__file__).parent / "held_out_digests.json").read_text())


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("index", range(8))
def test_pixels_and_masks_are_those_of_all_results_so_far(index: int, scenes: list[Scene]) -> None:
    """Scores of different days can be compared only as long as this holds."""
    scene = scenes[index]
    found = {"driver": digest(scene.driver), "driver masks": digest(scene.driver_masks)}
    for column, target in scene.targets.items():
        found |= {f"{column} truth": digest(target.truth), f"{column} masks": digest(target.masks)}
        found |= {f"{column} {name}": digest(video) for name, video in target.controls.items()}
    assert found == DIGESTS[str(index)]


def test_families_and_halves(scenes: list[Scene]) -> None:
    plans = [plan(i) for i in range(64)]
    for family, count in (("translation", 24), ("pan", 24), ("scale", 8), ("rotation", 8)):
        changing = [c for f, c in plans if f == family]
        assert len(changing) == count and sum(changing) * 2 == count
    for s in scenes:
        assert (s.family, s.changing) == plan(s.index)
        assert s.law in (paths.CHANGING if s.changing else paths.SMOOTH)
        if s.family == "pan":
            assert s.driver_masks.any() == (s.index // 8 % 2 == 0)


def test_a_scene_is_the_same_each_time(scenes: list[Scene]) -> None:
    again = draw_scene(6)
    assert np.array_equal(again.driver, scenes[6].driver)
    assert np.array_equal(again.targets["elsewhere"].truth, scenes[6].targets["elsewhere"].truth)


def test_shapes_ranges_and_motion(scenes: list[Scene]) -> None:
    for s in scenes:
        assert s.driver.shape == (25, SIZE, SIZE, 3) and s.driver.dtype == np.uint8
        for column in COLUMNS:
            t = s.targets[column]
            way = np.linalg.norm(t.path.displacement, axis=1).max()
            step = np.linalg.norm(np.diff(t.path.displacement, axis=0), axis=1).max()
            if s.family in ("translation", "pan"):
                assert 8 <= way <= 30 and 0.3 <= step <= 3.0
                assert np.linalg.norm(t.path.displacement[-1]) > 0.2 * way
            if s.family != "pan":  # the object stays in the picture: nothing of it is cut off
                area = t.masks.sum((1, 2)) / np.exp(2 * t.path.log_scale)
                np.testing.assert_allclose(area, area[0], rtol=0.02)


def test_target_is_another_object_on_another_ground(scenes: list[Scene]) -> None:
    for s in scenes:
        target = s.targets["same"]
        grounds = [np.median(v.reshape(-1, 3), 0) / 255 for v in (s.driver[0], target.picture)]
        assert np.linalg.norm(grounds[0] - grounds[1]) > 0.15
        if s.driver_masks[0].any():
            objects = [
                v[m > 0.95].mean(0) / 255
                for v, m in ((s.driver[0], s.driver_masks[0]), (target.picture, target.masks[0]))
            ]
            assert np.linalg.norm(objects[0] - objects[1]) > 0.35


def test_columns(scenes: list[Scene]) -> None:
    for s in scenes:
        same, elsewhere = s.targets["same"], s.targets["elsewhere"]
        assert not np.array_equal(same.picture, elsewhere.picture)
        if s.family == "translation":
            assert np.linalg.norm(same.stage.start - elsewhere.stage.start) > 4
            centre = [
                (m[0].sum(0) @ np.arange(SIZE), m[0].sum(1) @ np.arange(SIZE)) / m[0].sum()
                for m in (s.driver_masks, same.masks)
            ]
            np.testing.assert_allclose(centre[0], centre[1], atol=0.3)


def test_pan_moves_the_whole_picture_by_the_path() -> None:
    s = draw_scene(1)
    target = s.targets["same"]
    path = target.path.displacement
    whole = paths.Path(displacement=np.round(path))
    video, _ = target.stage.render(whole)
    dx, dy = whole.displacement[-1].astype(int)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    inside = (x - dx >= 0) & (x - dx < SIZE) & (y - dy >= 0) & (y - dy < SIZE)
    assert 0.2 < inside.mean() < 0.95
    assert np.array_equal(video[-1][inside], video[0][y[inside] - dy, x[inside] - dx])


def test_an_unknown_law_is_refused() -> None:
    with pytest.raises(DisMoError, match="no path law 'zigzag'"):
        paths.speeds(np.random.default_rng(0), "zigzag")
