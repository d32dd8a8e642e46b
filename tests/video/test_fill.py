"""Holes: filled smoothly by push-pull, and with texture of the same picture."""

import torch

from dismo_core.dismo.layered.copy_fill import copy_fill
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


def stripes(height, width):
    x = torch.arange(width)
    return (0.5 + 0.4 * torch.sin(2 * torch.pi * x / 8)).expand(3, height, width).contiguous()


def test_texture_goes_on_through_a_hole():
    image = stripes(96, 96)
    hole = torch.zeros(96, 96)
    hole[30:60, 30:60] = 1
    spoilt = torch.where(hole > 0, torch.ones_like(image), image)
    filled = copy_fill(spoilt, hole)
    inside = (slice(None), slice(32, 58), slice(32, 58))
    assert (filled[inside] - image[inside]).abs().mean() < 0.08
    assert (push_pull(spoilt, 1 - hole)[inside] - image[inside]).abs().mean() > 0.2  # the smooth filling has no stripes
    assert torch.equal(filled[:, hole == 0], image[:, hole == 0])


def test_it_is_the_same_every_time_and_at_any_size():
    image, hole = torch.rand(3, 300, 200, generator=torch.Generator().manual_seed(1)), torch.zeros(300, 200)
    hole[100:180, 50:150] = 1
    assert torch.equal(copy_fill(image, hole), copy_fill(image, hole))


def test_where_no_patch_is_whole_it_is_smooth():
    image, hole = torch.rand(3, 16, 16), torch.ones(16, 16)
    hole[0] = 0
    torch.testing.assert_close(copy_fill(image, hole), push_pull(image, 1 - hole))
