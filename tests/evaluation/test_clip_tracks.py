"""Tracks of a clip by optical flow, in the size and at the times of another video."""

import numpy as np
import pytest
import torch

from dismo_core import DisMoError
from dismo_core.evaluation.track_json import point_grid

pytest.importorskip("cv2", reason="optical flow needs OpenCV")

from dismo_core.evaluation.clip_tracks import clip_tracks  # noqa: E402


def pan(frames=13, shift=3):
    """A texture of 192x256 px that moves to the right by whole pixels."""
    white = torch.rand(1, 3, 24, 48, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(white, (192, 384), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)
    return torch.stack(
        [(wide[:, 100 - shift * t : 356 - shift * t] * 255).round().to(torch.uint8) for t in range(frames)]
    )


def test_points_follow_a_pan_at_the_times_of_the_other_video():
    seen = []
    own = np.array([[104.0, 240.0], [300.0, 100.0]])
    tracks = clip_tracks(
        pan(), 12, own_points=own, size=(480, 640), frames=30, fps=24, progress=lambda *at: seen.append(at)
    )
    assert tracks.shape == (2, 30, 2) and seen[-1] == (13, 13)
    np.testing.assert_allclose(tracks[:, 0], own, atol=1e-6)
    way = (tracks - tracks[:, :1])[:, :, 0]
    np.testing.assert_allclose(
        way[:, 12], 6 * 3 * 2.5, atol=2.5
    )  # half a second: six frames of three px, 2.5 times as large
    np.testing.assert_allclose(way[:, 24:], way[:, 24:25].repeat(6, 1), atol=1e-6)  # the clip is over


def test_progress_may_stop_it():
    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        clip_tracks(pan(5), 8, progress=stop)


def test_numbers_that_cannot_be():
    with pytest.raises(DisMoError, match="points is 0"):
        clip_tracks(pan(5), 8, points=0)
    with pytest.raises(DisMoError, match="1 frame"):
        clip_tracks(pan(1), 8)


@pytest.mark.parametrize("points", [1, 7, 81, 1000])
def test_a_grid_has_no_more_points_than_asked_and_nearly_as_many(points):
    inside = np.zeros((100, 200), bool)
    inside[20:80, 30:170] = True
    grid = point_grid(points, inside)
    assert 0.4 * points <= len(grid) <= points
    assert inside[grid[:, 1].astype(int), grid[:, 0].astype(int)].all()
    thin = np.zeros((50, 50), bool)
    thin[7, 11] = True
    assert (point_grid(points, thin).astype(int) == [11, 7]).all() and len(point_grid(points, thin))
