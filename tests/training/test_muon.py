"""Muon steps along orthogonal matrices, leaves the rest to Adam, and goes on where it was stopped."""

import copy

import pytest
import torch
from torch import nn

from dismo_core.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(48, 48), (40, 96), (96, 40)])
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.max() < 1.3
    assert values[: min(shape) * 3 // 4].min() > 0.6
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert nn.functional.cosine_similarity(orthogonal(matrix).flatten(), (left @ right).flatten(), dim=0) > 0.95


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.SiLU(), nn.Conv2d(32, 32, 3), nn.SiLU(), nn.Flatten(), nn.Linear(32, 2)
    )


def train(model, optimizer, steps):
    x = torch.randn(16, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    y = x.mean(dim=(2, 3))[:, :2]
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_a_step_is_as_long_as_adams_and_only_matrices_take_it():
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    train(model, Muon(model.parameters(), 1e-3, weight_decay=0), 1)
    steps = [(p.detach() - q) for p, q in zip(model.parameters(), before, strict=True)]
    inner = steps[2].flatten(1)
    assert 0.5e-4 < inner.square().mean().sqrt() < 4e-4
    assert torch.linalg.svdvals(inner)[:4] == pytest.approx(
        0.2e-3 * 288**0.5, rel=0.35
    )  # the gradient has few directions
    for outer in (steps[0], steps[1], steps[4]):  # too narrow, a vector, too narrow: the first step of Adam
        assert torch.allclose(outer.abs(), torch.tensor(1e-3), rtol=0.05)


def test_named_weights_are_left_to_adam():
    model = network()
    before = model[2].weight.detach().clone()
    train(model, Muon(model.parameters(), 1e-3, plain=[model[2].weight], weight_decay=0), 1)
    assert torch.allclose((model[2].weight - before).abs().median(), torch.tensor(1e-3), rtol=0.01)


def test_it_learns():
    model = network()
    optimizer = Muon(model.parameters(), 5e-3)
    first = train(model, optimizer, 1)
    assert train(model, optimizer, 60) < 0.1 * first


def test_it_goes_on_from_its_state():
    model = network()
    optimizer = Muon(model.parameters(), 1e-3)
    train(model, optimizer, 2)
    other = copy.deepcopy(model)
    again = Muon(other.parameters(), 1e-3)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(model, optimizer, 2)
    train(other, again, 2)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))


def test_a_weight_without_gradient_stays():
    model = network()
    before = model[0].weight.detach().clone()
    model[0].weight.requires_grad_(False)
    train(model, Muon(model.parameters(), 1e-3), 2)
    assert torch.equal(model[0].weight, before)
