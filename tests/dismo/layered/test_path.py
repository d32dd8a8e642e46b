"""Readings to paths: what is read is what moves, errors of reading do not, and long clips are solved in pieces."""

import pytest
import torch

from dismo_core.dismo.layered import path
from dismo_core.dismo.layered.path import Path, extents, integrate, quieted, stopped_zoom
from dismo_core.dismo.layered.similarity import exponential

SPREAD = torch.ones(4, 8)


def readings_of(steps):
    """What a perfect head says of steps [S, 8]: sums over the next 1 to 4 of them."""
    count = len(steps) - 3
    sums = torch.cat((torch.zeros(1, 8), steps.cumsum(0)))
    return torch.stack([sums[gap : count + gap] - sums[:count] for gap in range(1, 5)], dim=1)


def test_steady_steps_are_found_exactly():
    steps = torch.linspace(-1, 1, 8, dtype=torch.float64).expand(20, -1).float()
    found = integrate(readings_of(steps), SPREAD)
    torch.testing.assert_close(found.float(), steps, atol=1e-5, rtol=0)


def test_changing_steps_add_up_to_the_true_way():
    steps = torch.sin(torch.arange(40)[:, None] / 5 + torch.arange(8))
    found = integrate(readings_of(steps), SPREAD)
    assert (found.cumsum(0) - steps.cumsum(0)).abs().max() < 0.35  # of a way of 10
    assert torch.nn.functional.cosine_similarity(found.flatten().float(), steps.flatten(), dim=0) > 0.99


def test_pieces_agree_with_the_whole(monkeypatch):
    readings = torch.randn(300, 4, 8, generator=torch.Generator().manual_seed(0))
    whole = integrate(readings, SPREAD)
    monkeypatch.setattr(path, "PIECE", 64)
    torch.testing.assert_close(integrate(readings, SPREAD), whole, atol=1e-4, rtol=0)


def test_sure_readings_count_more():
    readings = torch.zeros(9, 4, 8)
    readings[:, 0] = 1.0  # over one step it says 1, over more steps 0
    trusting = torch.ones(4, 8)
    trusting[0] = 0.01
    assert integrate(readings, trusting).mean() > 0.9
    trusting = torch.full((4, 8), 0.01)
    trusting[0] = 1.0
    assert integrate(readings, trusting).abs().mean() < 0.1


def test_small_movements_beside_a_large_one_are_errors():
    steps = torch.zeros(24, 8, dtype=torch.float64)
    steps[:, 0], steps[:, 4], steps[:, 3] = 0.01, 0.001, 0.01
    left = quieted(steps)
    assert left[:, 0].all() and left[:, 3].all() and not left[:, 4].any()


def test_a_clip_that_stands_still_stays_so():
    noise = 2e-4 * torch.randn(500, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert not quieted(noise).any()


def test_extents_look_at_a_stretch_at_a_time():
    drift = torch.zeros(2400, 8, dtype=torch.float64)
    drift[:, 0] = 0.001
    assert extents(drift)["ground shift"] == pytest.approx(0.024)


def test_ground_composes_and_goes_between_frames():
    steps = torch.zeros(4, 8, dtype=torch.float64)
    steps[:, 2], steps[:, 0] = 0.1, 0.25
    way = Path(steps, 8.0)
    at = way.ground(torch.tensor([0.0, 1.5, 4.0]), (100, 200))
    whole = exponential(torch.tensor(0.4 + 0j, dtype=torch.complex128), torch.tensor(200 + 0j, dtype=torch.complex128))
    assert at.scale[0] == 1 and at.shift[0] == 0
    torch.testing.assert_close(at.scale[2], whole.scale)
    torch.testing.assert_close(at.shift[2], whole.shift)
    torch.testing.assert_close(at.scale[1].real, torch.tensor(0.15, dtype=torch.float64).exp())


def test_things_turn_about_their_own_centre_while_they_move():
    steps = torch.zeros(4, 8, dtype=torch.float64)
    steps[:, 4], steps[:, 7] = 0.1, torch.pi / 8
    moved = Path(steps, 8.0).thing(torch.tensor([4.0]), (100, 100), 10 + 5j)
    torch.testing.assert_close(moved(torch.tensor([10 + 5j])), torch.tensor([50 + 5j]).to(moved.scale))
    torch.testing.assert_close(moved.scale, torch.tensor([1j]).to(moved.scale))


def test_a_zoom_that_runs_away_is_stopped_and_its_frame_named():
    steps = torch.zeros(100, 8, dtype=torch.float64)
    steps[:, 2] = 0.1
    stopped, frame = stopped_zoom(steps)
    assert frame == 47  # exp(4.7) is above 100
    assert stopped[:, 2].sum().exp() == pytest.approx(100)
    assert stopped_zoom(steps[:40])[1] is None
