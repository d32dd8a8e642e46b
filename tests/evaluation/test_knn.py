"""Nearest neighbours on vectors whose answer is known."""

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.evaluation.knn import Classification, classify, leave_one_out


def fan(*degrees: float) -> torch.Tensor:
    """Unit vectors [N, 2]."""
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def test_the_nearest_by_direction_whatever_the_length():
    references = fan(0, 90) * torch.tensor([[0.1], [50.0]])
    found = classify(fan(40, 50) * 7, ["low", "high"], references, ["low", "high"], k=1)
    assert found.predicted == ["low", "high"] and found.accuracy == 1


def test_the_majority_of_k_wins_over_the_nearest():
    found = classify(fan(0), ["b"], fan(1, 20, 25, 180), ["a", "b", "b", "a"], k=3)
    assert found.predicted == ["b"]


def test_a_tie_goes_to_the_more_alike():
    assert classify(fan(0), ["a"], fan(30, 20), ["a", "b"], k=2).predicted == ["b"]
    assert classify(fan(0), ["a"], fan(20, 30), ["a", "b"], k=2).predicted == ["a"]
    # however unlike the further ones are, they cannot outweigh a vote
    assert classify(fan(0), ["a"], fan(0, 179, 180), ["a", "b", "b"], k=3).predicted == ["b"]


def test_leave_one_out_never_asks_the_clip_itself():
    vectors, labels = fan(0, 10, 90, 100, 45), ["a", "a", "b", "b", "c"]
    found = leave_one_out(vectors, labels, k=1)
    assert found.predicted[:4] == labels[:4] and found.predicted[4] != "c"
    assert found.accuracy == pytest.approx(0.8) and found.chance == pytest.approx(0.4)
    assert found.by_class() == {"a": 1, "b": 1, "c": 0}


def test_groups_never_ask_their_own():
    # Each look (group) is tight; motion shows only across looks.
    vectors, labels = fan(0, 1, 5, 6), ["up", "down", "down", "up"]
    assert leave_one_out(vectors, labels, k=1, groups=["x", "x", "y", "y"]).predicted == [
        "down",
        "down",
        "down",
        "down",
    ]


def test_confusion_counts_rows_by_truth():
    found = Classification(["a", "a", "b"], ["a", "b", "b"])
    assert found.confusion().tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize("k", [0, 3])
def test_k_out_of_range(k):
    with pytest.raises(DisMoError, match=f"k is {k}, but there are 2 clips"):
        leave_one_out(fan(0, 1, 2), ["a", "a", "b"], k=k)
