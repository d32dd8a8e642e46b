"""Holes filled with texture of the same picture."""

import torch

from dismo_core.dismo.layered.copy_fill import copy_fill
from dismo_core.video.fill import push_pull


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
