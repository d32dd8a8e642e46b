"""Layers taken apart and drawn again: exact at rest, sharp on the way, whole at the borders."""

import cmath

import pytest
import torch

from dismo_core.dismo.layered import renderer
from dismo_core.dismo.layered.layers import take_apart
from dismo_core.dismo.layered.renderer import Renderer, doubled, least_zoom
from dismo_core.dismo.layered.similarity import Similarity


def move(scale=1, shift=0):
    return Similarity(torch.tensor(complex(scale)), torch.tensor(complex(shift)))


REST = move()


def texture(height, width, seed=0):
    white = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(white, (height, width), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)


def disc(height, width, x, y, radius):
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return (radius - ((rows - y) ** 2 + (columns - x) ** 2).sqrt() + 0.5).clamp(0, 1)


def as_bytes(picture):
    return (picture * 255).round().to(torch.uint8)


def test_at_rest_the_picture_comes_back():
    picture = texture(51, 70)
    assert torch.equal(Renderer(take_apart(picture, None)).frame([(REST, REST)]), as_bytes(picture))


def test_a_whole_shift_moves_pixels_and_mirrors_the_border():
    picture = texture(48, 64)
    frame = Renderer(take_apart(picture, None)).frame([(move(shift=5), REST)])
    difference = (frame[:, 8:].int() - as_bytes(picture)[:, 3:-5].int()).abs()
    assert difference.max() <= 3
    assert (frame[:, :5].int() - as_bytes(picture)[:, :5].flip(1).int()).abs().max() <= 3


def test_an_object_is_cut_out_without_a_fringe_and_leaves_no_hole():
    ground, thing = torch.tensor([0.1, 0.2, 0.8]), torch.tensor([0.9, 0.7, 0.1])
    alpha = disc(96, 96, 40, 40, 14)
    picture = ground * (1 - alpha[..., None]) + thing * alpha[..., None]
    layers = take_apart(picture, alpha)
    frame = Renderer(layers).frame([(REST, move(shift=20 + 8j))]).float() / 255
    there = disc(96, 96, 60, 48, 14)
    true = ground * (1 - there[..., None]) + thing * there[..., None]
    edge = (there > 0) & (there < 1)
    assert (frame - true)[edge].abs().mean() < 0.03 and (
        frame - true
    ).abs().max() < 0.1  # at most the ringing of a sharp edge
    assert (frame - true)[~edge].abs().mean() < 0.002
    assert layers.centre == pytest.approx((40 - 48, 40 - 48), abs=0.1)


def test_a_hard_mask_is_softened():
    alpha = (disc(64, 64, 32, 32, 10) > 0.5).float()
    picture = texture(64, 64)
    layers = take_apart(picture, alpha)
    edge = layers.thing[3]
    assert ((edge > 0.05) & (edge < 0.95)).sum() > 30


@pytest.mark.parametrize("scale", [1.7, 0.3, cmath.exp(0.7j)])
def test_scale_and_turn_about_the_middle(scale):
    picture = torch.zeros(101, 101, 3)
    picture[50:, 50:] = 1
    frame = Renderer(take_apart(picture, None)).frame([(move(scale=scale), REST)]).float().mean(-1)
    rows, columns = torch.meshgrid(torch.arange(101) - 50.0, torch.arange(101) - 50.0, indexing="ij")
    back = torch.complex(columns, rows) / scale
    inside = (back.real > 3) & (back.imag > 3) & (back.abs() < 45)
    outside = ((back.real < -3) | (back.imag < -3)) & (back.abs() < 45)
    assert frame[inside].min() > 240 and frame[outside].max() < 15


def test_shrinking_does_not_alias():
    checks = (torch.arange(128)[:, None] + torch.arange(128)) % 2
    picture = checks.float()[..., None].expand(-1, -1, 3).contiguous()
    frame = Renderer(take_apart(picture, None)).frame([(move(scale=0.23), REST)]).float() / 255
    assert (frame[60:68, 60:68] - 0.5).abs().max() < 0.1


def test_doubling_keeps_what_cubic_interpolation_blurs():
    x = torch.arange(64, dtype=torch.float64) + 0.5
    wave = torch.sin(0.8 * torch.pi * x).expand(1, 3, 64, 64)  # near the finest that pixels can hold
    fine = doubled(wave)[0, 0, 20, 24:-24]
    at = (torch.arange(128, dtype=torch.float64)[24:-24] + 0.5) / 2
    torch.testing.assert_close(fine, torch.sin(0.8 * torch.pi * at), atol=0.1, rtol=0)


def test_strips_agree_with_the_whole(monkeypatch):
    picture, mask = texture(90, 70), disc(90, 70, 30, 45, 12)
    moves = [(move(1.1, 3 - 2j), move(0.9 + 0.2j, 5))]
    whole = Renderer(take_apart(picture, mask)).frame(moves)
    monkeypatch.setattr(renderer, "ROWS", 16)
    assert (Renderer(take_apart(picture, mask)).frame(moves).int() - whole.int()).abs().max() <= 1


def test_extended_borders_are_blurred_and_go_on_for_ever():
    picture = texture(64, 64)
    shown = Renderer(take_apart(picture, None), "extend").frame([(move(shift=40), REST)]).float()
    beyond, within = shown[:, :36], shown[:, 44:]
    assert beyond.diff(dim=1).abs().mean() < 0.3 * within.diff(dim=1).abs().mean()
    far = Renderer(take_apart(picture, None), "extend").frame([(move(shift=1000), REST)])
    assert far.float().std() < 60


def test_motion_blur_is_the_mean_of_moments():
    picture = texture(40, 40)
    drawn = Renderer(take_apart(picture, None))
    moments = [(move(shift=k), REST) for k in range(4)]
    mean = torch.stack([drawn.frame([m]).float() for m in moments]).mean(0)
    assert (drawn.frame(moments).float() - mean).abs().max() <= 2


def test_the_least_zoom_shows_nothing_beyond_and_no_more():
    shifts = torch.tensor([0, 10, 20], dtype=torch.complex128)
    grounds = Similarity(torch.ones(3, dtype=torch.complex128), shifts)
    assert least_zoom(grounds, (100, 200)) == pytest.approx(1.25, abs=1e-3)  # 20 px of 100 on one side
    assert least_zoom(grounds[:1], (100, 200)) == 1
    assert least_zoom(Similarity(grounds.scale, grounds.shift * 100), (100, 200)) == 8
