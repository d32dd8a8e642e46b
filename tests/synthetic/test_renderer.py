"""The renderer: what covers how much of which pixel, whatever way it is asked for."""

import math
from dataclasses import replace

import pytest
import torch

from dismo_core.synthetic.noise import colored_noise
from dismo_core.synthetic.outlines import wavy_outline
from dismo_core.synthetic.renderer import DrawnObject, Screen, Texture, Trajectory, render

SIZE = 32


def flat(value: float) -> Texture:
    return Texture(torch.full((1, 3, 2, 2), value, dtype=torch.float64))


def trajectory(x: float = 0.0, y: float = 0.0, log_scale: float = 0.0, angle: float = 0.0) -> Trajectory:
    """Two times: at rest in the middle, and there."""
    ways = torch.tensor([[[0.0, 0.0], [x, y]]], dtype=torch.float64)
    return Trajectory(ways, *(torch.tensor([[0.0, v]], dtype=torch.float64) for v in (log_scale, angle)))


def inside(points: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """A box, three times as wide as high."""
    return ((points[..., 0].abs() < 0.9) & (points[..., 1].abs() < 0.3)).to(points.dtype)


BOX = DrawnObject(inside, flat(1.0), torch.tensor([8.0], dtype=torch.float64))
AREA = 4 * 0.9 * 0.3 * 8**2


def middle(coverage: torch.Tensor) -> tuple[float, float]:
    axis = torch.arange(SIZE, dtype=torch.float64) + 0.5 - SIZE / 2
    return float((coverage.sum(0) * axis).sum() / coverage.sum()), float(
        (coverage.sum(1) * axis).sum() / coverage.sum()
    )


def test_objects_are_mixed_over_the_ground_by_what_they_cover():
    image, (covered,) = render(flat(0.25), [(BOX, trajectory())], Screen(SIZE, 4))
    assert image.shape == (1, 3, 2, SIZE, SIZE) and covered.shape == (1, 2, SIZE, SIZE)
    assert float(covered[0, 0].sum()) == pytest.approx(AREA, rel=0.05)
    torch.testing.assert_close(image[:, 0], 0.25 + 0.75 * covered)


def test_an_object_moves_grows_and_turns():
    for way in (trajectory(5, -3), trajectory(log_scale=math.log(1.5)), trajectory(angle=math.pi / 2)):
        _, (covered,) = render(flat(0.0), [(BOX, way)], Screen(SIZE, 4))
        assert middle(covered[0, 1]) == pytest.approx(tuple(way.place[0, 1].tolist()), abs=0.05)
        growth = float(way.log_scale[0, 1].exp()) ** 2
        assert float(covered[0, 1].sum()) == pytest.approx(AREA * growth, rel=0.05)
        wide, high = (int((covered[0, 1].sum(axis) > 0).sum()) for axis in (0, 1))
        assert (wide < high) == bool(way.angle[0, 1] > 0)


def test_a_camera_moves_everything_alike():
    ground = Texture(torch.rand(1, 3, SIZE, SIZE, dtype=torch.float64), span=SIZE / 2)
    seen, (covered,) = render(ground, [(BOX, trajectory())], Screen(SIZE, 4), trajectory(4, 2))
    torch.testing.assert_close(seen[..., 1, 2:, 4:], seen[..., 0, :-2, :-4])
    torch.testing.assert_close(covered[0, 1, 2:, 4:], covered[0, 0, :-2, :-4])
    view = torch.tensor([[[-4.0, -2.0, 1.0]]], dtype=torch.float64)  # a crop shifts what is seen the other way
    torch.testing.assert_close(
        render(ground, [(BOX, trajectory())], Screen(SIZE, 4), None, view)[0][:, :, :1], seen[:, :, 1:]
    )


@pytest.mark.parametrize("camera", [None, trajectory(3, -2, 0.2, 0.3)])
@pytest.mark.parametrize("view", [None, torch.tensor([[[1.0, 2.0, 1.1]]], dtype=torch.float64)])
def test_a_known_reach_saves_work_and_changes_nothing(camera, view):
    turned = replace(BOX, pivot=torch.tensor([[0.2, 0.1]], dtype=torch.float64), turn=torch.tensor([0.4]).double())
    ground = Texture(torch.rand(1, 3, 9, 9, dtype=torch.float64), span=SIZE / 2)
    for way in (trajectory(9, -7, 0.2, 1.0), trajectory(40, 0)):  # the second leaves the picture
        whole = render(ground, [(turned, way)], Screen(SIZE, 4, 2), camera, view)
        part = render(ground, [(replace(turned, reach=1.2), way)], Screen(SIZE, 4, 2), camera, view)
        assert torch.equal(whole[0], part[0]) and torch.equal(whole[1][0], part[1][0])
        assert bool((whole[1][0][0, 0] > 0).any())


def test_a_soft_outline_covers_as_much_as_many_samples_of_it():
    zeros = torch.zeros(1, 5, dtype=torch.float64)
    disc = replace(BOX, outline=wavy_outline(zeros, zeros))
    sharp = replace(BOX, outline=lambda points, _: (points.norm(dim=-1) < 1).double())
    soft, hard = (
        render(flat(0.0), [(drawn, trajectory(0.3, 0.2))], Screen(SIZE, samples))[1][0]
        for drawn, samples in ((disc, 1), (sharp, 16))
    )
    assert float((soft - hard).abs().max()) < 0.15 and float(soft[0, 1].sum()) == pytest.approx(math.pi * 64, rel=0.01)


def test_a_clip_without_the_object_shows_the_ground():
    absent = replace(BOX, radius=torch.zeros(1, dtype=torch.float64))
    image, (covered,) = render(flat(0.4), [(absent, trajectory(3))], Screen(SIZE, 4))
    assert not covered.any() and bool((image == 0.4).all())


def test_more_pixels_show_the_same():
    fine = render(flat(0.0), [(BOX, trajectory())], Screen(2 * SIZE, 2, density=2))[0]
    coarse = render(flat(0.0), [(BOX, trajectory())], Screen(SIZE, 4))[0]
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(fine[0, 0], 2), coarse[0, 0])


def test_a_mirrored_texture_goes_on_and_the_edge_of_another_too():
    image = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(1, 3, 2, 2)
    points = torch.tensor([0.75, 1.25, 2.75], dtype=torch.float64)
    points = torch.stack((points, torch.zeros(3, dtype=torch.float64)), dim=-1)[None, None, None]
    assert Texture(image).at(points)[0, 0].flatten().tolist() == [1, 1, 1]
    assert Texture(image, mirrored=True).at(points)[0, 0].flatten().tolist() == [1, 1, 0]


def test_noise_is_longer_along_its_grain():
    white = torch.fft.fft2(torch.randn(64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    half = white[:, :33]
    for given in (white, half):
        field = colored_noise(given, lambda f: (f + 1) ** -1.5, along=4.0)
        assert field.shape == (64, 64) and abs(float(field.mean())) < 1e-9
        along, across = ((field - field.roll(1, axis)).square().mean() for axis in (1, 0))
        assert 2 * float(along) < float(across)


def test_what_stands_still_is_drawn_beside_what_moves():
    known, still = replace(BOX, reach=1.0), trajectory(-9)
    at_rest = Trajectory(still.place[:, 1:], still.log_scale[:, 1:], still.angle[:, 1:])
    image, (moved, stood) = render(flat(0.0), [(known, trajectory(9)), (known, at_rest)], Screen(SIZE, 4))
    assert moved.shape == stood.shape == (1, 2, SIZE, SIZE) and torch.equal(stood[:, 0], stood[:, 1])
    torch.testing.assert_close(image[:, 0, 1], (moved + stood)[:, 1])
