"""Preparing pictures against the published code."""

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import close, golden

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import prepare_frame, recenter


@pytest.mark.parametrize(("name", "size"), [("down", 48), ("up", 80)])
def test_recenter(name, size):
    picture = golden(f"prepare.{name}.image").numpy()
    for made, wanted in ((recenter(picture, size=size), "process"), (recenter(picture), "recenter")):
        away = made.astype(int) - golden(f"prepare.{name}.{wanted}").numpy()
        assert np.abs(away).max() <= 1, wanted


@pytest.mark.parametrize(("name", "picture", "sizes"), [("frame", "down", (72, 24)), ("frame_up", "up", (100, 28))])
def test_driving_frames(name, picture, sizes):
    rgb, mask = prepare_frame(golden(f"prepare.{picture}.image").numpy(), *sizes)
    close(rgb, f"prepare.{name}.rgb", 6e-3)
    close(mask, f"prepare.{name}.mask", 4.1e-3)


def test_the_subject_fills_four_fifths_in_the_middle():
    picture = np.zeros((50, 90, 4), np.uint8)
    picture[10:31, 40:81] = 255  # 40 x 20 after the last row and column
    rows, columns = (np.nonzero((recenter(picture, size=100)[..., 3] > 0).any(a))[0] for a in (1, 0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (30, 69, 10, 89)


@pytest.mark.parametrize(("box", "named"), [(None, "empty"), ((slice(3, 4), slice(2, 9)), "7 x 1 px")])
def test_masks_that_cannot_be(box, named):
    picture = np.zeros((20, 20, 4), np.uint8)
    if box:
        picture[box] = 255
    with pytest.raises(DisMoError, match=named):
        recenter(picture)


def test_white_shows_where_nothing_is():
    rgb, mask = prepare_frame(np.zeros((30, 40, 4), np.uint8), 50, 20)
    assert torch.equal(rgb, torch.ones(3, 20, 20)) and mask.max() == 0
