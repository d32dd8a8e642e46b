"""Holes filled smoothly, by push-pull."""

import torch

from dismo_core.video.fill import dilated, push_pull


def test_what_is_known_stays():
    image = torch.rand(3, 37, 50, generator=torch.Generator().manual_seed(0))
    known = torch.ones(37, 50)
    known[10:20, 10:30] = 0
    filled = push_pull(image, known)
    torch.testing.assert_close(filled[:, known > 0], image[:, known > 0])
    assert filled.min() >= 0 and filled.max() <= 1


def test_one_color_fills_with_itself_and_a_slope_goes_on():
    flat = torch.full((3, 64, 64), 0.3)
    known = torch.ones(64, 64)
    known[20:40, 20:40] = 0
    torch.testing.assert_close(push_pull(flat, known), flat)
    slope = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert (push_pull(slope, known) - slope).abs().max() < 0.15


def test_nothing_known_gives_nothing_and_no_nan():
    assert not push_pull(torch.rand(3, 16, 16), torch.zeros(16, 16)).any()


def test_a_mask_grows_by_its_radius():
    mask = torch.zeros(9, 9)
    mask[4, 4] = 1
    assert dilated(mask, 2).sum() == 25 and torch.equal(dilated(mask, 0), mask)
