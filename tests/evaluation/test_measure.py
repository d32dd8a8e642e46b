"""The measurement: exact on true videos, and not to be fooled by still, jumping, vanishing or noisy ones."""

from dataclasses import replace

import numpy as np
import pytest

from dismo_core import DisMoError
from dismo_core.evaluation import measure
from dismo_core.evaluation.score import evaluate, evaluate_videos, score, velocity_cosine
from dismo_core.synthetic.held_out.scenes import CONTROLS, Frames, Scene


def of(scenes: list[Scene], family: str) -> list[Scene]:
    return [s for s in scenes if s.family == family]


@pytest.fixture(scope="module")
def control(scenes: list[Scene]) -> dict[str, list[tuple[Scene, dict[str, float]]]]:
    names = CONTROLS
    return {n: [(s, score(s, "same", s.targets["same"].controls[n])) for s in scenes] for n in names}


@pytest.mark.parametrize("blur, noise", [(0, 0.0), (1, 6.0)])
def test_tracks_follow_the_truth(scenes: list[Scene], blur: int, noise: float) -> None:
    rng = np.random.default_rng(0)
    for s in scenes:
        target = s.targets["elsewhere"]
        soft = np.moveaxis(measure.box(np.moveaxis(target.truth.astype(float), -1, 1), blur), 1, -1)
        video = np.clip(np.round(soft + noise * rng.standard_normal(soft.shape)), 0, 255).astype(np.uint8)
        if s.family == "pan":
            np.testing.assert_allclose(measure.track_ground(video), target.path.displacement, atol=0.4)
            continue
        track = measure.track_object(video, target.picture, target.masks[0], 2.0 if s.family == "scale" else 1.0)
        assert track.found.all()
        np.testing.assert_allclose(track.displacement, target.path.displacement, atol=0.7)
        if s.family == "scale":
            np.testing.assert_allclose(np.sqrt(track.size / track.size[0]), np.exp(target.path.log_scale), rtol=0.05)
        if s.family == "rotation":
            angle = measure.track_angle(video, track, 12.0)
            np.testing.assert_allclose(np.rad2deg(angle), np.rad2deg(target.path.angle), atol=6)


def test_true_video_scores_best(control: dict) -> None:
    for s, m in control["true video"]:
        assert m["velocity_cosine"] > 0.9, (s.index, m)
        assert m["psnr_gain_db"] > 10 and abs(m["sharpness_ratio"] - 1) < 0.02 and m["color_ratio"] < 0.1
        if s.family in ("translation", "pan"):
            assert m["displacement_cosine"] > 0.99 and m["velocity_cosine"] > 0.97
            assert m["end_point_error_percent"] < 3 and m["end_error_percent"] < 6
        if s.changing and s.family in ("translation", "pan"):
            assert m["velocity_change_cosine"] > 0.95
        assert m.get("factor_error_percent", 0) < 4 and m.get("angle_error_degrees", 0) < 3
        assert m.get("area_ratio", 1) == pytest.approx(1)


def test_still_video_scores_nothing(control: dict) -> None:
    for s, m in control["still"]:
        assert m["velocity_cosine"] == 0 and m["psnr_gain_db"] == 0
        if s.family in ("translation", "pan"):
            assert m["displacement_cosine"] == 0 and m["end_error_percent"] == pytest.approx(100, abs=1)


def test_linear_timing_is_right_at_the_end_and_wrong_on_the_way(control: dict) -> None:
    for s, m in control["linear timing"]:
        if s.family in ("translation", "pan"):
            assert m["end_error_percent"] < 6
            if s.changing:
                assert m["velocity_cosine"] < 0.93 and m["velocity_change_cosine"] < 0.3
                assert m["end_point_error_percent"] > 5


def test_one_jump_has_no_velocity(control: dict) -> None:
    for s, m in control["one jump"]:
        assert m["velocity_cosine"] < 0.4, (s.index, m)
        if s.family in ("translation", "pan"):
            assert m["end_error_percent"] < 6 and m["end_point_error_percent"] > 15


def test_direction_only_falls_short(control: dict) -> None:
    for s, m in control["direction only"]:
        if s.family in ("translation", "pan"):
            assert m["end_error_percent"] == pytest.approx(60, abs=4) and m["psnr_gain_db"] < 4


def test_shuffled_steps_lose_the_changes_of_velocity(control: dict) -> None:
    values = [m["velocity_change_cosine"] for _, m in control["steps shuffled"] if "velocity_change_cosine" in m]
    assert max(values) < 0.6 and np.median(values) < 0.3 and len(values) >= 3


def bare(s: Scene) -> Frames:
    target = s.targets["same"]
    return replace(target.stage, object=None).render(target.path.still)[0]


def test_vanished_object_fails_and_is_no_nan(scenes: list[Scene]) -> None:
    for s in scenes:
        if s.family == "pan":
            continue
        target = s.targets["same"]
        gone = bare(s)
        gone[0] = target.picture
        m = score(s, "same", gone)
        assert np.isfinite(list(m.values())).all()
        assert m["area_ratio"] < 0.3 and m["velocity_cosine"] < 0.3
        late = target.truth.copy()
        late[21:] = bare(s)[21:]
        m = score(s, "same", late)
        assert m["area_ratio"] < 0.3
        if s.family == "translation":
            assert m["end_error_percent"] == pytest.approx(100, abs=1)


def test_ghost_left_behind_shows_in_the_area(scenes: list[Scene]) -> None:
    for s in of(scenes, "translation"):
        target = s.targets["same"]
        cover = target.masks[0][..., None]
        ghost = np.round(target.truth * (1 - cover) + target.picture * cover).astype(np.uint8)
        assert score(s, "same", ghost)["area_ratio"] > 1.25 or np.linalg.norm(target.path.displacement[-1]) < 12


@pytest.mark.parametrize("kind", ["noise", "black", "driver", "flicker"])
def test_garbage_scores_low(scenes: list[Scene], kind: str) -> None:
    rng = np.random.default_rng(1)
    for s in scenes:
        target = s.targets["same"]
        video = {
            "noise": rng.integers(0, 256, target.truth.shape).astype(np.uint8),
            "black": np.zeros_like(target.truth),
            "driver": s.driver,
            "flicker": np.repeat(target.truth[:1], 25, 0) // rng.integers(1, 3, (25, 1, 1, 1)).astype(np.uint8),
        }[kind]
        m = score(s, "same", video)
        assert np.isfinite(list(m.values())).all(), (s.index, m)
        if kind == "driver":  # it moves as it should, but is the wrong picture
            assert m["psnr_gain_db"] < 0 and m["color_ratio"] > 0.5
        else:
            assert m["velocity_cosine"] < 0.45, (s.index, s.family, m)
            assert m["psnr_gain_db"] < 3


def test_blur_shows_in_sharpness(scenes: list[Scene]) -> None:
    for s in scenes:
        truth = s.targets["same"].truth
        soft = np.round(np.moveaxis(measure.box(np.moveaxis(truth.astype(float), -1, 1), 1, 2), 1, -1)).astype(np.uint8)
        assert score(s, "same", soft)["sharpness_ratio"] < 0.6


def test_phase_correlation_follows_a_pan(scenes: list[Scene]) -> None:
    for s in of(scenes, "pan"):
        path = s.targets["same"].path.displacement
        found = measure.phase_correlation(s.targets["same"].truth)
        assert velocity_cosine(path, found) > 0.97
    assert (measure.phase_correlation(np.repeat(scenes[0].driver[:1], 5, 0)) == 0).all()


def test_overlap_correlation_finds_a_whole_shift() -> None:
    field = np.random.default_rng(0).standard_normal((40, 40))
    fit = measure.overlap_correlation(field[:30, :30], field[4:34, 7:37])
    assert np.unravel_index(fit.argmax(), fit.shape) == (60 - 4, 60 - 7)
    assert fit.max() == pytest.approx(1, abs=1e-3)


def test_color_distance() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 0.5, (400, 3))
    assert measure.color_distance(a, rng.permutation(a)) == pytest.approx(0, abs=1e-9)
    assert measure.color_distance(a, a + [0.2, 0, 0]) < measure.color_distance(a, a + [0.4, 0, 0])


def test_evaluate_calls_the_transfer_with_clip_and_picture(scenes: list[Scene]) -> None:
    def keep(driver: Frames, picture: Frames) -> Frames:
        assert driver.shape == (25, 64, 64, 3) and picture.shape == (64, 64, 3)
        return np.repeat(picture[None], 25, 0)

    result = evaluate(scenes[:2], keep)
    assert [r["column"] for r in result["scenes"]] == ["same", "elsewhere"] * 2
    assert result["summary"]["elsewhere"]["pan"]["velocity_cosine"] == 0
    truth = evaluate_videos(scenes, lambda s, c: s.targets[c].truth, ["same"])["summary"]["same"]
    assert truth["translation"]["scenes"] == 3 and truth["translation"]["velocity_cosine_changing"] > 0.97


def test_score_refuses_a_video_of_another_shape(scenes: list[Scene]) -> None:
    with pytest.raises(DisMoError, match=r"\(24, 64, 64, 3\)"):
        score(scenes[0], "same", scenes[0].driver[:24])
