"""A layered model whose motions say what they mean: an embedding is the reading itself."""

import pytest
import torch

from dismo_core import Motion
from dismo_core.dismo.layered.head import NUMBERS, MotionHead
from dismo_core.dismo.layered.model import LayeredModel
from dismo_core.dismo.layered.segmenter import Segmenter
from dismo_core.dismo.motion import LOOK_AHEAD

ID = "f" * 16


def plain_head():
    """Reads an embedding [8] as the rate of each number a step: over g steps g times as much."""
    head = MotionHead(NUMBERS, ID)
    weight = torch.stack([torch.eye(NUMBERS) * gap for gap in range(1, LOOK_AHEAD + 1)]).flatten(0, 1)
    with torch.no_grad():
        head.linear.weight.copy_(torch.cat((weight, weight)))
        head.linear.bias.zero_()
    return head.requires_grad_(False)


@pytest.fixture
def model():
    """Function: choices -> a layered model of such motions."""
    torch.manual_seed(0)
    segmenter = Segmenter((8, 8)).eval()
    return lambda **choices: LayeredModel(plain_head(), segmenter, **choices)


@pytest.fixture
def motion():
    """Function: rates by number, frames -> a motion that keeps them."""

    def make(frames=13, fps=8.0, **rates):
        names = ("x", "y", "growth", "turn", "thing_x", "thing_y", "thing_growth", "thing_turn")
        row = torch.tensor([float(rates.get(name, 0)) for name in names])
        return Motion(row.expand(frames - LOOK_AHEAD, -1).clone(), fps, "", ID, torch.zeros(NUMBERS))

    return make
