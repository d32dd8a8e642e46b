"""The body's picture: places, depth, colors, edges."""

import numpy as np
import pytest

from dismo_core import DisMoError, mimo
from dismo_core.mimo.templates.render import default_focal, without_hidden_hands

SQUARE = np.array([[-1, -1, 4], [1, -1, 4], [1, 1, 4], [-1, 1, 4]], float)
FACES = np.array([[0, 1, 2], [0, 2, 3]])
RED = np.tile(np.array([[200, 30, 10]], np.uint8), (4, 1))
CAMERA = dict(focal=40, width=60, height=40)


def test_a_square_lies_where_the_camera_puts_it():
    picture = mimo.render_body(SQUARE, FACES, RED, **CAMERA)
    # focal / z = 10 px a unit around the middle (30, 20)
    assert (picture[10:30, 20:40] == RED[0]).all()
    picture[10:30, 20:40] = 0
    assert not picture.any()


def test_edges_are_sampled_four_times():
    half = SQUARE + np.array([0.05, 0, 0])  # half a pixel to the right
    picture = mimo.render_body(half, FACES, RED / 255, **CAMERA)
    assert picture[15, 20].tolist() == [100, 15, 5] and picture[15, 40].tolist() == [100, 15, 5]


@pytest.mark.parametrize("order", [False, True])
def test_the_nearer_face_shows_whatever_the_order(order):
    near = SQUARE * [0.5, 0.5, 1] - [0, 0, 2]
    green = np.tile(np.array([[0, 250, 0]], np.uint8), (4, 1))
    parts = [(SQUARE, RED), (near, green)][:: -1 if order else 1]
    vertices, colors = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    picture = mimo.render_body(vertices, np.concatenate((FACES, FACES + 4)), colors, **CAMERA)
    assert (picture[12:28, 22:38] == green[0]).all() and (picture[10, 20:40] == green[0]).all()
    small = near * [0.4, 0.4, 1]
    vertices, colors = np.concatenate((SQUARE, small)), np.concatenate((RED, green))
    far = mimo.render_body(vertices, np.concatenate((FACES, FACES + 4)), colors, **CAMERA)
    assert (far[12, 22] == RED[0]).all() and (far[20, 30] == green[0]).all()


def test_faces_that_cross_are_parted_at_their_line():
    tilted = SQUARE.copy()
    tilted[[0, 3], 2], tilted[[1, 2], 2] = 3, 6
    green = np.tile(np.array([[0, 250, 0]], np.uint8), (4, 1))
    picture = mimo.render_body(
        np.concatenate((SQUARE, tilted)), np.concatenate((FACES, FACES + 4)), np.concatenate((RED, green)), **CAMERA
    )
    assert (picture[20, 22] == green[0]).all() and (picture[20, 38] == RED[0]).all()


def test_colors_go_over_a_face_as_in_space():
    colors = np.array([[0, 0, 0], [240, 0, 0], [240, 0, 0], [0, 0, 0]], np.uint8)
    flat = mimo.render_body(SQUARE, FACES, colors, **CAMERA)
    assert np.abs(flat[20, 20:40, 0] - (np.arange(20) + 0.5) * 12).max() <= 1
    deep = SQUARE.copy()
    deep[[1, 2], 2] = 8  # twice as far: its middle in the picture is nearer than its middle in space
    row = mimo.render_body(deep, FACES, colors, **CAMERA)[20, :, 0].astype(int)
    # between x = -10 (z 4) and x = 5 (z 8) px; at the middle a third of the way in space
    assert abs(row[27] - 240 * 0.345) < 8


def test_what_is_behind_the_camera_is_left_out():
    behind = SQUARE.copy()
    behind[0, 2] = -1
    picture = mimo.render_body(behind, FACES, RED, **CAMERA)
    assert not picture.any()
    assert not mimo.render_body(SQUARE + [100, 0, 0], FACES, RED, **CAMERA).any()


def test_hidden_hands():
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    assert without_hidden_hands(faces, [0, 1, 2, 3]).tolist() == [[2, 3, 4]]
    assert default_focal(512, 256) == pytest.approx(10_000)


def test_colors_of_another_mesh():
    state = np.random.RandomState(0)
    source, target = state.rand(300, 3), state.rand(50, 3)
    colors = state.randint(0, 256, (300, 3)).astype(np.uint8)
    wanted = colors[((target[:, None] - source[None]) ** 2).sum(-1).argmin(1)]
    taken = mimo.transfer_colours(source, colors, target)
    assert taken.dtype == np.uint8 and np.array_equal(taken, wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SQUARE[:, :2], FACES, RED), "vertices"),
        ((SQUARE, FACES + 9, RED), "vertex 12"),
        ((SQUARE, FACES, RED[:2]), "one color a vertex"),
        ((SQUARE * np.nan, FACES, RED), "NaN"),
    ],
)
def test_bad_meshes(arguments, message):
    with pytest.raises(DisMoError, match=message):
        mimo.render_body(*arguments, **CAMERA)
    with pytest.raises(DisMoError, match="above 0"):
        mimo.render_body(SQUARE, FACES, RED, **CAMERA | {"focal": 0})
    with pytest.raises(DisMoError, match="one a vertex"):
        mimo.transfer_colours(SQUARE, RED[:2], SQUARE)
