"""Motion fidelity on clips whose motion is known."""

import numpy as np
import pytest
import torch

from dismo_core import DisMoError

pytest.importorskip("cv2", reason="tracks need opencv-python-headless")

from drawn import disc, filmed, pan, texture  # noqa: E402

from dismo_core.evaluation.fidelity import motion_fidelity, moving  # noqa: E402
from dismo_core.evaluation.tracks import Tracks, track_grid  # noqa: E402


@pytest.fixture(scope="module")
def right() -> Tracks:
    return track_grid(pan(1, 1.5, 0))


def test_tracks_follow_the_content(right):
    seen = right.visible[:, -1]
    assert seen.sum() > 100
    way = right.points[seen, -1] - right.points[seen, 0]
    assert np.abs(way - (12 * 1.5 * 4, 0)).max() < 3  # px at 256: the clip is seen four times as large
    left_edge = right.points[:, 0, 0] > 256 - 12 * 1.5 * 4
    assert not right.visible[left_edge, -1].any()  # they have left the picture


def test_a_clip_moves_as_itself(right):
    assert motion_fidelity(right, right) == pytest.approx(1, abs=1e-3)


def test_other_looks_and_another_size_do_not_matter(right):
    large = torch.from_numpy(np.repeat(np.repeat(pan(2, 1.2, 0).numpy(), 2, 1), 2, 2))
    assert motion_fidelity(right, track_grid(large)) > 0.97


def test_opposite_and_crosswise(right):
    assert motion_fidelity(right, track_grid(pan(3, -1.5, 0))) < -0.95
    assert abs(motion_fidelity(right, track_grid(pan(3, 0, 1.5)))) < 0.1


def test_a_turn_is_matched_point_by_point():
    angles = torch.arange(13) * 0.1
    turn, other, back = (
        track_grid(filmed(texture(seed), torch.zeros(13, 2), sign * angles)) for seed, sign in ((4, 1), (5, 1), (6, -1))
    )
    assert motion_fidelity(turn, other) > 0.95
    # Turned backwards, some other point goes each point's way half-way through, and is off by 1.2 radians at both ends.
    assert 0.7 < motion_fidelity(turn, back) < 0.9


def test_a_still_video_of_a_moving_source_is_nothing(right):
    still = track_grid(pan(1, 0, 0))
    assert not moving(still).any()
    assert motion_fidelity(right, still) == 0 and motion_fidelity(still, right) == 0
    assert motion_fidelity(still, still) == 1


def test_a_still_ground_does_not_make_a_video_good():
    source = track_grid(disc(7, 1.2, 0))
    assert 5 < moving(source).sum() < 0.5 * len(source.points)
    assert motion_fidelity(source, track_grid(disc(8, 1.2, 0))) > 0.8
    assert motion_fidelity(source, track_grid(disc(8, -1.2, 0))) < 0.1


def test_stops_count():
    points = np.zeros((1, 9, 2), np.float32)
    points[0, :, 0] = np.arange(9)
    stops = points.copy()
    stops[0, 5:, 0] = 4
    seen = np.ones((1, 9), bool)
    assert motion_fidelity(Tracks(points, seen), Tracks(stops, seen)) == pytest.approx(0.5)
    assert motion_fidelity(Tracks(stops, seen), Tracks(stops, seen)) == pytest.approx(1)


def test_where_both_stand_still_nothing_is_won():
    right_then_still, still_then_right, left_then_still = (np.zeros((1, 9, 2), np.float32) for _ in range(3))
    right_then_still[0, :, 0] = [0, 1, 2, 3, 4, 4, 4, 4, 4]
    still_then_right[0, :, 0] = [0, 0, 0, 0, 0, 1, 2, 3, 4]
    left_then_still[0, :, 0] = [0, -1, -2, -3, -4, -4, -4, -4, -4]
    seen = np.ones((1, 9), bool)
    source = Tracks(right_then_still, seen)
    assert motion_fidelity(source, Tracks(still_then_right, seen)) == pytest.approx(0)
    assert motion_fidelity(source, Tracks(left_then_still, seen)) == pytest.approx(-1)


def test_steps_that_only_one_sees_do_not_count():
    points = np.zeros((1, 9, 2), np.float32)
    points[0, :, 0] = np.arange(9)
    turns = points.copy()
    turns[0, 5:, 0] = 4 - np.arange(1, 5)
    whole, part = np.ones((1, 9), bool), np.arange(9)[None] < 5
    assert motion_fidelity(Tracks(points, whole), Tracks(turns, whole)) == pytest.approx(0)
    assert motion_fidelity(Tracks(points, part), Tracks(turns, whole)) == pytest.approx(1)


def test_nothing_to_follow(right):
    flicker = torch.randint(0, 256, (13, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lost = track_grid(flicker)
    assert motion_fidelity(right, lost) == 0
    with pytest.raises(DisMoError, match="No point of the source"):
        motion_fidelity(lost, right)
    with pytest.raises(DisMoError, match="13 frames, the generated video 12"):
        motion_fidelity(right, right.trimmed(12))
    with pytest.raises(DisMoError, match="two or more"):
        track_grid(flicker[:1])
