"""Trajectories of the training clips: rates integrate to places, and the laws are as varied as they say."""

import torch

from dismo_core.synthetic.draws import Draws
from dismo_core.synthetic.trajectories import draw_trajectories, positions, rates


def test_positions_integrate_rates():
    rate = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])
    at = positions(rate, torch.tensor([[0.0, 0.5, 1.0, 1.5, 3.0]]))
    assert at[0].tolist() == [[0, 0], [0.5, 0], [1, 0], [2, 0], [3, 3]]


def test_motion_laws_include_stops_and_turns():
    drawn_rates = rates(400, 7, 4.0, Draws(0))
    speed = drawn_rates.norm(dim=-1)
    assert bool(((speed[:, 0] > 0.5) & (speed[:, -1] < 1e-3)).any())
    ends = torch.cosine_similarity(drawn_rates[:, 0], drawn_rates[:, -1], dim=-1)
    assert bool((ends < -0.9).any()) and bool((ends.abs() < 0.1).any())
    assert float(speed.max()) <= 4 * 1.3 + 1e-4


def test_trajectories_at_rest_and_on_the_way():
    drawn = draw_trajectories(16, 7, 1.0, 1.0, 1.0, 0.25, Draws(3))
    times = torch.tensor([[0.0, 3.5]]).expand(16, -1)
    camera, moving = drawn.of_camera(times), drawn.of_object(0, torch.full((16, 2), 5.0), times)
    assert not camera.place[:, 0].any() and not camera.angle[:, 0].any() and not camera.log_scale[:, 0].any()
    assert torch.equal(moving.place[:, 0], torch.full((16, 2), 5.0))
    moved = (camera.place[:, 1].abs().sum(1) + camera.log_scale[:, 1].abs() + camera.angle[:, 1].abs()) > 0
    assert bool((moved <= drawn.camera_moves).all()) and bool(moved.any())
