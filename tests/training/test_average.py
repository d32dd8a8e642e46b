"""The average of the weights: torch's own numbers and names, without a copy of what is frozen."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dismo_core.training.average import Average


def test_it_is_torchs_average_of_what_is_trained():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1).requires_grad_(False))
    average, twin = Average(model, 0.8), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    for _ in range(5):
        with torch.no_grad():
            model[0].weight.normal_()
        average.update()
        twin.update_parameters(model)
    found, wanted = average.state_dict(), twin.state_dict()
    assert found.keys() == {"n_averaged", "module.0.weight", "module.0.bias"}
    assert all(torch.equal(v, wanted[k]) for k, v in found.items())
    again = Average(model, 0.8)
    again.load_state_dict(wanted)
    assert all(torch.equal(v, found[k]) for k, v in again.state_dict().items())
    own = model[0].weight.clone()
    with average.applied():
        assert torch.equal(model[0].weight, wanted["module.0.weight"]) and not torch.equal(model[0].weight, own)
    assert torch.equal(model[0].weight, own)
    average.apply()
    assert torch.equal(model[0].weight, wanted["module.0.weight"])
