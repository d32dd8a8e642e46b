"""Cameras against the published code, and what they promise."""

import pytest
import torch
from gaussians4d.goldens4d import close, golden

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import (
    BAKE_VIEWS,
    multiview_cameras,
    orbit_pose,
    plucker_rays,
    preview_plan,
    project_points,
    world_to_view,
    zero123_camera,
)
from dismo_core.gaussians4d.cameras import perspective


def test_poses_and_pixels():
    poses = torch.stack([orbit_pose(*angles) for angles in golden("camera.orbit").tolist()])
    close(poses, "camera.pose", 1e-5)
    views = world_to_view(poses)
    close(views, "camera.view", 1e-5)
    pixels = torch.stack([project_points(golden("camera.points"), view, 60, 80) for view in views])
    close(pixels, "camera.pixels", 2e-3)
    close(perspective(60, 80), "camera.perspective")


def test_rays_and_the_cameras_of_the_multi_view_network():
    close(plucker_rays(torch.stack([orbit_pose(0, a, 1.5) for a in (0, 90, 180, 270)]), 6), "camera.plucker")
    close(multiview_cameras(4, 0, True), "camera.multiview")
    close(multiview_cameras(4, 20, False), "camera.multiview_el20")


@pytest.mark.parametrize("kind", ["stable", "xl"])
def test_camera_of_zero123(kind):
    angles = [golden(f"guidance.{name}") for name in ("elevation", "azimuth", "radius")]
    close(zero123_camera(*angles, kind)[:, None], f"guidance.{kind}.camera", 1e-5)
    close(zero123_camera(*angles, kind, base_elevation=10)[:, None], f"guidance.{kind}.camera_el10", 1e-5)


def test_preview_plan():
    plan = preview_plan(4)
    assert [frame for frame, _ in plan] == golden("schedule.preview_time").tolist()
    rows = torch.stack([world_to_view(orbit_pose(0, azimuth, 1.5))[0, :3] for _, azimuth in plan])
    close(rows, "schedule.preview_view")


def test_every_camera_looks_at_the_origin():
    for elevation, azimuth in [*BAKE_VIEWS, (30.0, 77.0)]:
        origin = world_to_view(orbit_pose(elevation, azimuth, 1.7)) @ torch.tensor([0.0, 0, 0, 1])
        torch.testing.assert_close(origin, torch.tensor([0.0, 0, 1.7, 1]), atol=1e-5, rtol=0)
    assert orbit_pose(30, 0, 1.5)[1, 3].item() == pytest.approx(-0.75)  # positive is below
    assert len(BAKE_VIEWS) == 26


@pytest.mark.parametrize(("angles", "named"), [((90, 0, 1.5), "90"), ((-95, 0, 1.5), "-95"), ((0, 0, 0), "0")])
def test_cameras_that_cannot_be(angles, named):
    with pytest.raises(DisMoError, match=named):
        orbit_pose(*angles)


def test_a_kind_that_there_is_not():
    with pytest.raises(DisMoError, match="'xxl'"):
        zero123_camera(torch.zeros(1), torch.zeros(1), torch.zeros(1), "xxl")
