"""Pictures of Gaussians against the published sums, and their gradients."""

import pytest
import torch
from gaussians4d.goldens4d import golden, relative, rnd

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import orbit_pose, rasterize, world_to_view
from dismo_core.gaussians4d import rasterizer as module

INPUTS = ("xyz", "scales", "quaternions", "opacities", "colors")


def given():
    return [golden(f"raster.{name}").requires_grad_() for name in INPUTS]


def cameras():
    return world_to_view(torch.stack([orbit_pose(*angles) for angles in golden("raster.orbit").tolist()]))


@pytest.mark.parametrize("tile", [8, 16, 32])
def test_pictures_and_gradients(tile):
    inputs = given()
    raster = rasterize(*inputs, cameras(), 40, 48, background=golden("raster.background"), tile=tile)
    for name, most in (("image", 6e-3), ("alpha", 6e-3), ("depth", 1.2e-2)):
        away = (getattr(raster, name) - golden(f"raster.{name}")).abs().flatten()
        assert away.quantile(0.998) < 1e-4 and away.max() < most, name
    weights = (rnd("raster.wi", 3, 3, 40, 48), rnd("raster.wa", 3, 1, 40, 48), 0.3 * rnd("raster.wd", 3, 1, 40, 48))
    sum((part * weight).sum() for part, weight in zip(raster, weights, strict=True)).backward()
    for name, value in zip(INPUTS, inputs, strict=True):
        assert relative(value.grad, f"raster.grad.{name}") < 5e-3, name


def test_small_chunks_give_the_same(monkeypatch):
    whole, small = given(), given()
    wanted = rasterize(*whole, cameras(), 40, 48)
    wanted.image.sum().backward()
    monkeypatch.setitem(module.CHUNK, "cpu", 64)  # one tile at a time
    found = rasterize(*small, cameras(), 40, 48)
    found.image.sum().backward()
    torch.testing.assert_close(found.image, wanted.image, atol=1e-6, rtol=0)
    for a, b in zip(small, whole, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-5)


def one(opacity, scale=0.1, z=0.0):
    return (
        torch.tensor([[0.0, 0, z]]),
        torch.full((1, 3), scale),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.tensor([opacity]),
        torch.tensor([[1.0, 0, 0]]),
    )


VIEW = world_to_view(orbit_pose(0, 0, 1.5))[None]


def test_the_peak_of_one_gaussian():
    raster = rasterize(*one(0.6), VIEW, 33, 33, background=(0, 0, 1))
    assert raster.alpha[0, 0, 16, 16].item() == pytest.approx(0.6, abs=1e-5)
    assert raster.depth[0, 0, 16, 16].item() == pytest.approx(0.9, abs=1e-5)  # accumulated, not divided
    assert raster.image[0, :, 16, 16].tolist() == pytest.approx([0.6, 0, 0.4], abs=1e-5)


def test_opacity_is_capped_and_what_is_too_near_is_not_drawn():
    assert rasterize(*one(1.0), VIEW, 33, 33).alpha.max().item() == pytest.approx(0.99, abs=1e-6)
    assert rasterize(*one(1.0, z=1.31), VIEW, 33, 33).alpha.max() == 0  # 0.19 in front of the camera
    assert rasterize(*one(0.0039), VIEW, 33, 33).alpha.max() == 0  # below 1 / 255


def test_the_order_of_rows_does_not_matter():
    inputs = [value.detach() for value in given()]
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    wanted = rasterize(*inputs, cameras(), 40, 48).image
    found = rasterize(*[value[order] for value in inputs], cameras(), 40, 48).image
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_gaussians_that_differ_from_view_to_view():
    inputs = [value.detach() for value in given()]
    shifted = torch.stack([inputs[0] + 0.1 * k for k in range(3)])
    wanted = torch.cat([rasterize(shifted[k], *inputs[1:], cameras()[k : k + 1], 40, 48).image for k in range(3)])
    torch.testing.assert_close(rasterize(shifted, *inputs[1:], cameras(), 40, 48).image, wanted)


def test_gradients_by_differences_in_double_precision():
    generator = torch.Generator().manual_seed(3)
    means = 0.2 * torch.randn(4, 3, generator=generator, dtype=torch.float64)
    rest = [
        0.1 + 0.1 * torch.rand(4, 3, generator=generator, dtype=torch.float64),
        torch.randn(4, 4, generator=generator, dtype=torch.float64),
        0.2 + 0.5 * torch.rand(4, generator=generator, dtype=torch.float64),
        torch.rand(4, 3, generator=generator, dtype=torch.float64),
    ]
    inputs = [value.requires_grad_() for value in (means, *rest)]
    # wide enough for no edge of 1 / 255 within the picture
    assert torch.autograd.gradcheck(lambda *x: tuple(rasterize(*x, VIEW.double(), 5, 6, fov_y=4.0)), inputs, atol=1e-5)


def test_places_in_the_picture_can_be_moved():
    """By 2 / width: one pixel to the right; what is asked for is the gradient of that."""
    inputs = one(0.6)
    screen = torch.tensor([[[2 / 34, 0.0]]])
    moved = rasterize(*inputs, VIEW, 33, 34, screen=screen).image
    torch.testing.assert_close(moved[..., 1:], rasterize(*inputs, VIEW, 33, 34).image[..., :-1], atol=1e-5, rtol=0)
    inputs = [value.double() for value in inputs]
    screen = torch.zeros(1, 1, 2, dtype=torch.float64, requires_grad=True)

    def draw(place):
        return tuple(rasterize(*inputs, VIEW.double(), 5, 6, fov_y=4.0, screen=place))

    assert torch.autograd.gradcheck(draw, [screen], atol=1e-5)


def test_nothing_to_draw():
    raster = rasterize(*[value[:0].detach() for value in given()], cameras(), 40, 48, background=(0, 1, 0))
    assert raster.alpha.max() == 0 and torch.equal(raster.image[:, 1], torch.ones(3, 40, 48))


@pytest.mark.parametrize(("backend", "named"), [("cuda", "'cuda'"), ("gsplat", "CUDA only")])
def test_backends_that_cannot_be(backend, named):
    with pytest.raises(DisMoError, match=named):
        rasterize(*[value.detach() for value in given()], cameras(), 8, 8, backend=backend)
