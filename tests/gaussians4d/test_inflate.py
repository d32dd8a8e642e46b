"""The inflated silhouette: a disc becomes an ellipsoid; layers share; the mesh is closed."""

import numpy as np
import pytest
import torch

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import inflate_silhouette, orbit_pose, project_points, rasterize, world_to_view
from dismo_core.gaussians4d.inflate import inflate_mesh

RADIUS = 0.3  # of the disc, in sides of the picture


def disc(size=128):
    y, x = np.mgrid[0:size, 0:size] / size - 0.5 + 0.5 / size
    picture = np.zeros((size, size, 4), np.uint8)
    picture[np.hypot(x, y) < RADIUS] = (200, 100, 50, 255)
    picture[(np.hypot(x, y) < RADIUS) & (x > 0)] = (50, 100, 200, 255)
    return picture


def test_a_disc_becomes_an_ellipsoid():
    g = inflate_silhouette(disc(), count=1500, thickness=0.7)
    assert 1350 < len(g) < 1650
    unit = 1.5 * 2 * np.tan(np.radians(49.1 / 2))  # a side of the picture at the origin
    x, y, z = (g.means / (unit * RADIUS)).T
    middle = z.abs() > 0.05
    torch.testing.assert_close(
        (x.square() + y.square() + (z / 0.7).square()).sqrt()[middle].mean(), torch.tensor(1.0), atol=0.06, rtol=0
    )
    assert z.max().item() == pytest.approx(0.7, abs=0.05) and z.min().item() == pytest.approx(-0.7, abs=0.05)


def test_layers_of_a_pixel_share_and_lie_on_its_ray():
    g = inflate_silhouette(disc())
    front = (g.means[:, 2] > 0).nonzero()[:, 0]
    for row in front[:: len(front) // 9]:
        others = (g.share == g.share[row]).nonzero()[:, 0]
        assert 2 <= len(others) <= 3 and torch.equal(g.colors_dc[others], g.colors_dc[row].expand(len(others), 3))
        pixels = project_points(g.means[others], world_to_view(orbit_pose(0, 0, 1.5)), 128, 128)
        torch.testing.assert_close(pixels, pixels[:1].expand_as(pixels), atol=1e-3, rtol=0)


def test_it_looks_like_the_picture_and_has_a_side():
    g, views = inflate_silhouette(disc()), [orbit_pose(0, a, 1.5) for a in (0, 90)]
    raster = rasterize(*g.activated(), world_to_view(torch.stack(views)), 64, 64)
    wanted = torch.from_numpy(disc(64)).float().movedim(-1, 0) / 255
    seen = raster.alpha[0, 0] > 0.5
    assert ((seen & (wanted[3] > 0.5)).sum() / (seen | (wanted[3] > 0.5)).sum()) > 0.9
    both = seen & (wanted[3] > 0.5)
    assert (raster.image[0] - wanted[:3])[:, both].abs().mean() < 0.08
    assert raster.alpha[1].mean() > 0.6 * raster.alpha[0].mean()


def test_the_mesh_is_closed_and_faces_outwards():
    mesh = inflate_mesh(disc())
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges) and all((b, a) in directed for a, b in directed)
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    unit = 1.5 * 2 * np.tan(np.radians(49.1 / 2))
    wanted = 4 / 3 * np.pi * 0.7 * (RADIUS * unit) ** 3
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(wanted, rel=0.15)


BAD = [
    (dict(rgba=np.zeros((8, 9, 4), np.uint8)), r"\[8, 9, 4\]"),
    (dict(rgba=np.zeros((9, 9, 4), np.uint8)), "empty"),
    (dict(rgba=disc(), thickness=0.0), "not 0; 0.7"),
    (dict(rgba=disc(), count=3), "not 3"),
]


@pytest.mark.parametrize(("given", "named"), BAD, ids=[named for _, named in BAD])
def test_pictures_that_cannot_be(given, named):
    with pytest.raises(DisMoError, match=named):
        inflate_silhouette(**given)
