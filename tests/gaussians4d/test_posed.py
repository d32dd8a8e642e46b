"""Gaussians of other origin, turned until they look as a clip; and PLY files that say from where they are seen."""

import pytest
import torch

from dismo_core.gaussians4d import write_ply
from dismo_core.gaussians4d.align import placed
from dismo_core.gaussians4d.clip import Clip4D
from dismo_core.gaussians4d.drawn_object import DrawnObject
from dismo_core.gaussians4d.fit_clip import check_agreement
from dismo_core.gaussians4d.posed import PosedGaussians, inflated, read_posed, write_posed


@pytest.fixture(scope="module")
def clip():
    return DrawnObject(frames=2).clip(64)


def test_turned_moved_and_scaled_back(clip):
    posed = inflated(clip, count=400)
    away = placed(posed.gaussians, 100.0, 3.0, torch.tensor([0.2, -0.4, 0.1]))
    back = PosedGaussians(away).looking_like(clip)
    check_agreement(back.gaussians, clip.frames(64)[1][0], back.radius)
    assert (back.gaussians.means - posed.gaussians.means).norm(dim=1).mean() < 0.05
    assert back.surface is None


def test_what_fits_already_stays(clip):
    posed = inflated(clip, count=400)
    again = posed.looking_like(clip)
    assert again.gaussians is posed.gaussians and again.surface is not None


def test_placed_turns_the_front_to_that_azimuth():
    one = DrawnObject(2).clip(32)
    g = inflated(one, count=100).gaussians
    front = g.means[:, 2].argmax()
    turned = placed(g, 90.0)
    assert turned.means[front, 0] == pytest.approx(float(g.means[front, 2]), abs=1e-6)
    same = placed(turned, -90.0)
    torch.testing.assert_close(same.means, g.means, atol=1e-6, rtol=0)
    torch.testing.assert_close(same.covariances, g.covariances, atol=1e-8, rtol=1e-3)


def test_a_file_says_its_camera(tmp_path, clip):
    posed = inflated(clip, count=200, thickness=0.9)
    write_posed(tmp_path / "a.ply", PosedGaussians(posed.gaussians, 2.0, 40.0, thickness=0.9))
    back = read_posed(tmp_path / "a.ply")
    assert (back.radius, back.fov_y, back.thickness) == (2.0, 40.0, 0.9)
    write_ply(tmp_path / "b.ply", posed.gaussians)
    plain = read_posed(tmp_path / "b.ply")
    assert (plain.radius, plain.thickness) == (1.5, None)
    assert plain.with_surface(clip).surface is None
    assert isinstance(clip, Clip4D)
