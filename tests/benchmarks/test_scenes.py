"""The held-out scenes: independent of the training generator, repeatable, and what their labels say."""

import ast
from pathlib import Path

import numpy as np
import pytest

from benchmarks import paths
from benchmarks.scenes import COLUMNS, SIZE, Scene, draw_scene, plan

FOLDER = Path(__file__).parents[2] / "benchmarks"


def imported(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", ["scenes", "paths", "shapes", "textures", "measure", "score"])
def test_drawing_and_measuring_share_nothing_with_the_library(name: str) -> None:
    names = imported((FOLDER / f"{name}.py").read_text())
    assert not [n for n in names if "dismo_core" in n or "training" in n or "importlib" in n or n.startswith("..")]


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
            if s.family != "pan":  # the thing stays in the picture: nothing of it is cut off
                area = t.masks.sum((1, 2)) / np.exp(2 * t.path.log_scale)
                np.testing.assert_allclose(area, area[0], rtol=0.02)


def test_target_is_another_thing_on_another_ground(scenes: list[Scene]) -> None:
    for s in scenes:
        target = s.targets["same"]
        grounds = [np.median(v.reshape(-1, 3), 0) / 255 for v in (s.driver[0], target.picture)]
        assert np.linalg.norm(grounds[0] - grounds[1]) > 0.15
        if s.driver_masks[0].any():
            things = [
                v[m > 0.95].mean(0) / 255
                for v, m in ((s.driver[0], s.driver_masks[0]), (target.picture, target.masks[0]))
            ]
            assert np.linalg.norm(things[0] - things[1]) > 0.35


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
    video, _ = target.stage.film(whole)
    dx, dy = whole.displacement[-1].astype(int)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    inside = (x - dx >= 0) & (x - dx < SIZE) & (y - dy >= 0) & (y - dy < SIZE)
    assert 0.2 < inside.mean() < 0.95
    assert np.array_equal(video[-1][inside], video[0][y[inside] - dy, x[inside] - dx])
