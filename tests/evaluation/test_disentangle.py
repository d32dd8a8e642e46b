"""Linear probes: find what is there, and nothing where nothing is."""

import pytest
import torch

from dismo_core import DisMoError

pytest.importorskip("sklearn", reason="linear probes need scikit-learn")

from dismo_core.evaluation.disentangle import probe  # noqa: E402

LABELS = [f"class {i % 4}" for i in range(200)]


def vectors(signal: float, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(200, 16, generator=rng)
    centres = torch.randn(4, 16, generator=rng)
    return noise + signal * centres[torch.arange(200) % 4]


def test_it_reads_what_is_there():
    assert probe(vectors(3.0), LABELS).accuracy > 0.98


def test_random_vectors_stay_at_chance():
    accuracy = [probe(vectors(0.0, seed), LABELS).accuracy for seed in range(3)]
    assert sum(accuracy) / 3 < 0.25 + 0.1 and probe(vectors(0.0), LABELS).chance == 0.25


def test_scales_do_not_matter():
    scaled = vectors(3.0) * torch.logspace(-6, 6, 16)
    assert probe(scaled, LABELS).accuracy > 0.98


def test_groups_hide_what_holds_only_within_them():
    # In each group the classes are told apart by other directions than in the next one.
    rng = torch.Generator().manual_seed(1)
    group = torch.arange(200) // 50
    centres = 4 * torch.randn(4, 4, 32, generator=rng)
    x = torch.randn(200, 32, generator=rng) + centres[group, torch.arange(200) % 4]
    assert probe(x, LABELS).accuracy > 0.8
    assert probe(x, LABELS, groups=[str(g) for g in group.tolist()]).accuracy < 0.5


def test_too_little_to_learn_from():
    with pytest.raises(DisMoError, match="'b' has 1"):
        probe(torch.randn(3, 4), ["a", "a", "b"])
    with pytest.raises(DisMoError, match="two groups"):
        probe(torch.randn(4, 4), ["a", "a", "b", "b"], groups=["x", "y", "x", "x"])
