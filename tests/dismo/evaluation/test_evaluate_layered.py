"""Masks, drift and the rows of the layered model: the commands, and controls that must win or lose."""

import json
import logging

import numpy as np
import pytest

from dismo_core.cli.main import main
from dismo_core.dismo.evaluation.drift import swinging
from dismo_core.dismo.evaluation.layered_rows import LAYERED_GOALS, optical_flow, true_motion
from dismo_core.dismo.evaluation.masks import overlap
from dismo_core.dismo.evaluation.pipeline import Pipeline
from dismo_core.evaluation.score import met, score


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline()


def test_overlap_is_intersection_over_union():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert overlap(a, b) == 1
    a[:2], b[1:3] = True, True
    assert overlap(a, b) == pytest.approx(1 / 3)


def test_the_true_motion_is_drawn_nearly_as_it_is(scenes):
    for scene, gain in ((scenes[0], 6), (scenes[1], 12)):
        for column in ("same", "elsewhere"):
            found = score(scene, column, true_motion(scene, column))
            assert found["velocity_cosine"] > 0.97 and found["psnr_gain_db"] > gain


def test_the_model_beats_optical_flow_where_driver_and_target_differ(scenes, pipeline):
    """A moved thing of another size, elsewhere: flow moves what lies where the driver's thing was."""
    pytest.importorskip("cv2", reason="optical flow needs OpenCV")
    ours, flow = [], []
    for scene in (scenes[0], scenes[2]):
        ours.append(score(scene, "elsewhere", pipeline.with_mask(scene, "elsewhere"))["psnr_gain_db"])
        flow.append(score(scene, "elsewhere", optical_flow(scene, "elsewhere"))["psnr_gain_db"])
    assert np.mean(ours) > np.mean(flow) + 1


def test_a_cheat_that_returns_the_driving_clip_fails(scenes):
    for scene in scenes[:2]:
        found = score(scene, "elsewhere", scene.driver)
        goals = LAYERED_GOALS["transfer"][scene.family]
        assert not all(met(metric, found[metric], goals) for metric in goals)
        assert found["psnr_gain_db"] < 0


def test_swings_come_back_however_long(scenes):
    motion, way = swinging(np.random.default_rng(0), True, 121)
    assert way.shape == (121, 2) and not way[0].any() and np.abs(way).max() <= 14
    assert not motion.object.displacement.any() and motion.camera.displacement.any()


def test_masks_command(tmp_path, capsys):
    pytest.importorskip("sklearn", reason="the photographs are files of scikit-learn")
    out, sheet = tmp_path / "masks.json", tmp_path / "masks.png"
    assert main(["evaluate", "masks", "--scenes", "3", "-o", str(out), "--sheet", str(sheet)]) == 0
    result = json.loads(out.read_text())
    assert result["median"] > 0.7 and {row["picture"] for row in result["rows"]} >= {"china.jpg", "flower.jpg"}
    assert "wanted >= 0.85" in capsys.readouterr().out and sheet.stat().st_size > 10_000
    assert main(["evaluate", "masks", "--scenes", "0"]) == 2


def test_drift_command(tmp_path, capsys, monkeypatch):
    from dismo_core.dismo.evaluation import drift

    monkeypatch.setattr(drift, "LENGTHS", (9, 13))
    out = tmp_path / "drift.json"
    assert main(["evaluate", "drift", "--clips", "1", "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert set(result["medians"]) == {"camera", "thing", "still"} and result["medians"]["still"]["9"] < 0.02
    assert "zoom" in capsys.readouterr().out
    assert main(["evaluate", "drift", "--clips", "0"]) == 2


def test_rows_and_goals_of_the_layered_model(tmp_path, capsys, caplog):
    pytest.importorskip("cv2", reason="optical flow needs OpenCV")
    out = tmp_path / "scenes.json"
    with caplog.at_level(logging.ERROR):
        assert main(["evaluate", "scenes", "--scenes", "1", "--columns", "same", "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert {"transfer", "mask found", "true motion, layered", "optical flow of the driver"} <= set(result["rows"])
    assert set(result["verdict"]) >= {"same", "mask found, same", "motion zeroed"}
    assert "mask found" in capsys.readouterr().out
