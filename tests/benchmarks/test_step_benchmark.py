"""What the benchmark of the training step counts."""

import pytest
import torch

from benchmarks.train_step import count, groups, make_batch, make_objective, profile
from dismo_core.dismo.training.presets import PRESETS


def test_operations_are_counted_on_shapes_alone():
    with torch.device("meta"):
        objective = make_objective(PRESETS["tiny"])
        products, attention = count(objective, make_batch(objective, 64, 1, "meta"))
    # attention of the extractor: three times the two products of the forward pass (tokens^2 x width), in each layer
    extractor = objective.extractor
    tokens, width = 4 + 8 * extractor.frame_encoder.side**2, extractor.query_tokens.shape[-1]
    least = 3 * 2 * 2 * tokens**2 * width * len(extractor.layers)
    assert products > attention > least


def test_the_profile_is_split_by_kind():
    x = torch.randn(300, 300)
    shares = groups(profile(lambda: [x @ x for _ in range(5)] + [x.exp().mul(2)], cuda=False), cuda=False)
    assert sum(shares.values()) == pytest.approx(1) and next(iter(shares)) == "products"
