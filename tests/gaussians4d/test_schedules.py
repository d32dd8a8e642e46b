"""Schedules and random views against the published code."""

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import close, golden

from dismo_core.gaussians4d import draw_views, elevation_range, noise_timestep, novel_view_size, position_lr


def test_schedules():
    steps = golden("schedule.step").tolist()
    assert [noise_timestep(step, 500) for step in steps] == golden("schedule.timestep").tolist()
    assert [novel_view_size(step, 500) for step in steps] == golden("schedule.size").tolist()
    close(torch.tensor([position_lr(step) for step in steps]), "schedule.position_lr", 0, 1e-5)
    close(torch.tensor([position_lr(step, 1e-2, 2e-4) for step in steps]), "schedule.position_lr_fresh", 0, 1e-5)
    assert [noise_timestep(step, 500) for step in (1, 250, 500)] == [980, 500, 20]


def test_ranges_of_elevation():
    found = [elevation_range(value) for value in golden("schedule.elevation").tolist()]
    assert found == [tuple(pair) for pair in golden("schedule.elevation_range").tolist()]


@pytest.mark.parametrize(
    ("name", "seed", "arguments"),
    [
        ("dynamic", 888, {"frames": 3, "views": 2}),
        ("static", 7, {"frames": 1, "views": 6, "radius_jitter": 0.5, "invert_background": 0.5}),
    ],
)
def test_random_views(name, seed, arguments):
    views = draw_views(np.random.RandomState(seed), **arguments)
    rows = np.stack([views.frame, views.elevation, views.azimuth, views.radius, views.background], axis=1)
    close(torch.from_numpy(rows), f"schedule.views_{name}")
