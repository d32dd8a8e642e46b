"""A ball of Gaussians and its growing against the published code."""

import numpy as np
import pytest
from gaussians4d.goldens4d import close, gaussians, golden, raw

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import densify, init_ball


def test_ball():
    ball = raw(init_ball(50, np.random.RandomState(3)))
    for name in ("xyz", "dc", "ls", "op"):
        close(ball[name], f"static.init.{name}")
    with pytest.raises(DisMoError, match="not 3"):
        init_ball(3, np.random.RandomState(0))


def test_growing_and_thinning():
    grads = (golden("densify.grad_sum") / golden("densify.count")).nan_to_num(0)[:, 0]
    grown = densify(gaussians("densify"), grads, 0.05, normal=golden("densify.normal"))
    for name, value in raw(grown).items():
        close(value, f"densify.after.{name}")
    with pytest.raises(DisMoError, match=r"\[30, 3\], not \[9, 3\]"):
        densify(gaussians("densify"), grads, 0.05, normal=golden("densify.normal")[:9])
