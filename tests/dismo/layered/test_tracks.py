"""Tracks and camera paths: where points go, as text that other models and programs read."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from dismo_core import DisMoError
from dismo_core.dismo.layered.camera_path import camera_text, plot_camera
from dismo_core.dismo.layered.tracks import motion_tracks
from dismo_core.evaluation.track_json import draw_tracks, read_points, tracks_json

IMAGE = torch.rand(64, 96, 3, generator=torch.Generator().manual_seed(0))


def test_a_pan_moves_all_points_and_ends_when_the_motion_does(model, motion):
    tracks, shown = motion_tracks(model(), motion(x=0.01, frames=9), IMAGE, points=20, size=(480, 832))
    assert 10 <= len(tracks) <= 20 and tracks.shape[1:] == (121, 2) and shown.shape == (480, 832, 3)
    way = tracks - tracks[:, :1]
    np.testing.assert_allclose(way[:, 24, 0], 8 * 0.01 * 832, atol=1e-2)  # 8 steps at 8 fps are a second
    np.testing.assert_allclose(way[:, -1], way[:, 24], atol=1e-6)
    assert np.abs(way[..., 1]).max() < 1e-3


def test_points_of_the_thing_move_and_those_beside_it_stay(model, motion):
    mask = torch.zeros(64, 96)
    mask[16:48, 32:64] = 1
    own = np.array([[48.0, 32.0], [4.0, 4.0]])
    tracks, _ = motion_tracks(
        model(), motion(thing_y=0.01), IMAGE, mask=mask, own_points=own, size=(64, 96), frames=13, fps=8
    )
    np.testing.assert_allclose(tracks[0, -1], [48, 32 + 12 * 0.64], atol=1e-3)
    np.testing.assert_allclose(tracks[1, -1], [4, 4])
    grid, _ = motion_tracks(model(), motion(thing_y=0.01), IMAGE, mask=mask, points=16, size=(64, 96))
    assert (grid[:, 0] >= [32, 16]).all() and (grid[:, 0] <= [64, 48]).all() and len(grid) == 16


def test_one_point_is_enough(model, motion):
    assert motion_tracks(model(), motion(x=0.01), IMAGE, points=1, frames=1)[0].shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points is 0"),
        ({"points": 1_000_000}, "points is 1,000,000"),
        ({"frames": 0}, "frames is 0"),
        ({"frames": 10_001}, "frames is 10,001"),
        ({"points": 10_000, "frames": 10_000}, "100,000,000 positions"),
        ({"fps": 0.0}, "fps must be above 0"),
        ({"fps": 241.0}, "not 241"),
        ({"size": (0, 10)}, "10x0"),
    ],
)
def test_numbers_that_cannot_be(model, motion, options, message):
    with pytest.raises(DisMoError, match=message):
        motion_tracks(model(), motion(x=0.01), IMAGE, **options)


def test_the_text_is_what_track_driven_models_read():
    text = tracks_json(np.array([[[1, 2.0], [3.126, 4]]]))
    assert json.loads(text) == [[{"x": 1.0, "y": 2.0}, {"x": 3.13, "y": 4.0}]]


def test_points_are_read_as_people_write_them():
    assert read_points("  ") is None
    for text in (
        "[[1, 2], [3, 4.5]]",
        '[{"x": 1, "y": 2}, {"x": 3, "y": 4.5}]',
        '[[{"x": 1, "y": 2}], [{"x": 3, "y": 4.5}]]',
    ):
        np.testing.assert_array_equal(read_points(text), [[1, 2], [3, 4.5]])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "7",
        "[]",
        "[[1]]",
        "[[1, 2, 3]]",
        '[["a", 2]]',
        "[[NaN, 1]]",
        "[[true, 1]]",
        "[" * 5000,
        str([[0, 0]] * 10_001),
    ],
)
def test_points_that_are_none(text):
    with pytest.raises(DisMoError, match="120"):
        read_points(text)


def test_tracks_are_drawn_where_they_are():
    drawn = draw_tracks(torch.zeros(40, 60, 3, dtype=torch.uint8), np.array([[[10.0, 10], [50, 30]]]))
    assert drawn[20, 30].max() > 100 and drawn[35, 5].max() == 0


def test_the_camera_path_counts_turns_and_zoom(model, motion):
    path = model().path(motion(turn=0.3, growth=0.1, x=0.02, frames=13))
    rows = json.loads(camera_text(path))
    assert rows["fps"] == 8 and len(rows["frames"]) == 13
    last = rows["frames"][-1]
    assert last["rotation"] == pytest.approx(np.rad2deg(3.6), abs=0.01)  # beyond half a circle
    assert last["zoom"] == pytest.approx(np.exp(1.2), rel=1e-3)
    table = list(csv.DictReader(io.StringIO(camera_text(path, "csv"))))
    assert [float(table[-1][name]) for name in last] == list(last.values())
    with pytest.raises(DisMoError, match="no format 'xml'"):
        camera_text(path, "xml")


def test_the_plot_shows_it(model, motion):
    picture = plot_camera(model().path(motion(x=0.02)), 350)
    assert picture.shape[1:] == (350, 3) and picture.float().std() > 10


def test_the_camera_path_is_that_of_the_pictures_shape(model, motion):
    """Where a shift meets a turn: the numbers are what the renderer does."""
    path = model().path(motion(x=0.01, turn=0.03))
    last = json.loads(camera_text(path, size=(90, 160)))["frames"][-1]
    moved = path.ground(torch.tensor([12.0]), (90, 160)).shift[0]
    assert (last["shift_x"] * 160, last["shift_y"] * 90) == pytest.approx(
        (float(moved.real), float(moved.imag)), abs=1e-3
    )


def test_a_mask_outside_the_video_is_refused(model, motion):
    mask = torch.zeros(64, 96)
    mask[:, :8] = 1
    with pytest.raises(DisMoError, match="outside the part"):
        motion_tracks(model(), motion(thing_y=0.01), IMAGE, mask=mask, size=(100, 40))
