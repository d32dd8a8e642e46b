"""The average of the weights: its numbers, under torch's own names, without a copy of what is frozen."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dismo_core.training.average import Average


def test_it_averages_what_is_trained():
    """With a decay that grows to its value, here after 35 updates."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1).requires_grad_(False))
    average, twin = Average(model, 0.8), AveragedModel(model)
    expected = model[0].weight.detach().clone()
    for n in range(50):
        with torch.no_grad():
            model[0].weight.normal_()
        average.update()
        twin.update_parameters(model)
        decay = 0.0 if n == 0 else min(0.8, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    found, wanted = average.state_dict(), twin.state_dict()
    assert found.keys() == {"n_averaged", "module.0.weight", "module.0.bias"} <= wanted.keys()
    assert int(found["n_averaged"]) == int(wanted["n_averaged"]) == 50
    torch.testing.assert_close(found["module.0.weight"], expected)
    wanted = {name: value.clone() for name, value in found.items()}
    again = Average(model, 0.8)
    again.load_state_dict(wanted)
    assert all(torch.equal(v, found[k]) for k, v in again.state_dict().items())
    own = model[0].weight.clone()
    with average.applied():
        assert torch.equal(model[0].weight, wanted["module.0.weight"]) and not torch.equal(model[0].weight, own)
    assert torch.equal(model[0].weight, own)
    average.apply()
    assert torch.equal(model[0].weight, wanted["module.0.weight"])


def test_weights_in_bfloat16_are_averaged_in_float32():
    """It lies between two neighbouring numbers of bfloat16."""
    model = nn.Linear(1, 1, bias=False).bfloat16()
    average = Average(model, 0.999)
    step = 2.0**-7
    for value in (1.0, 1 + step, 1 + step):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update()
    share = 2 / 11 * 3 / 12  # of the first value
    assert float(average.state_dict()["module.weight"]) == pytest.approx(1 + step * (1 - share), abs=1e-6)
    average.apply()
    assert model.weight.dtype == torch.bfloat16


def test_an_average_that_begins_with_the_weights_and_does_not_ramp():
    model = nn.Linear(2, 2)
    expected = model.weight.detach().clone()
    average = Average(model, 0.9, ramped=False)
    for _ in range(5):
        with torch.no_grad():
            model.weight.normal_()
        average.update()
        expected = 0.9 * expected + 0.1 * model.weight.detach()
    torch.testing.assert_close(average.state_dict()["module.weight"], expected)
