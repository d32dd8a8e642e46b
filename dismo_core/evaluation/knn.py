"""Zero-shot classification: a clip is of the class that most of its nearest neighbours are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError

NEIGHBOURS = 5


@dataclass(frozen=True)
class Classification:
    """What clips are, and what they were taken for."""

    truth: list[str]
    predicted: list[str]

    @property
    def classes(self) -> list[str]:
        """Every class that occurs, sorted."""
        return sorted({*self.truth, *self.predicted})

    @property
    def accuracy(self) -> float:
        """Share of the clips that were taken for what they are, 0..1."""
        return sum(t == p for t, p in zip(self.truth, self.predicted, strict=True)) / len(self.truth)

    @property
    def chance(self) -> float:
        """Accuracy of always answering the most frequent class, 0..1."""
        return max(map(self.truth.count, set(self.truth))) / len(self.truth)

    def confusion(self) -> Tensor:
        """How many clips of class i (rows, as in `classes`) were taken for class j, int64 [C, C]."""
        number = {name: i for i, name in enumerate(self.classes)}
        counts = torch.zeros(len(number), len(number), dtype=torch.int64)
        for truth, predicted in zip(self.truth, self.predicted, strict=True):
            counts[number[truth], number[predicted]] += 1
        return counts

    def by_class(self) -> dict[str, float]:
        """Accuracy on the clips of each class that has any, 0..1."""
        confusion = self.confusion()
        total = confusion.sum(dim=1).tolist()
        right = confusion.diagonal().tolist()
        return {name: right[i] / total[i] for i, name in enumerate(self.classes) if total[i]}


def classify(
    queries: Tensor,
    truth: Sequence[str],
    references: Tensor,
    labels: Sequence[str],
    k: int = NEIGHBOURS,
    *,
    excluded: Tensor | None = None,
) -> Classification:
    """Majority of the k references of largest cosine; of two classes with as many votes, the one that is more alike.

    Args:
        queries: [M, d], of the classes `truth`.
        references: [N, d], of the classes `labels`.
        k: neighbours that vote, 1..N.
        excluded: bool [M, N], references that a query may not ask.

    Raises:
        DisMoError: k is out of range.
    """
    allowed = len(references) if excluded is None else int((~excluded).sum(dim=1).min())
    if not 1 <= k <= allowed:
        raise DisMoError(f"k is {k}, but there are {allowed} clips to compare with. Choose a k of 1 to {allowed}.")
    alike = F.normalize(queries.double(), dim=-1) @ F.normalize(references.double(), dim=-1).T
    if excluded is not None:
        alike = alike.masked_fill(excluded, -torch.inf)
    cosine, nearest = alike.topk(k, dim=1)
    classes = sorted(set(labels))
    number = torch.tensor([classes.index(label) for label in labels])
    # The sum of k cosines lies in -k..k: divided by 4 k it settles ties and never outweighs a vote.
    votes = torch.zeros(len(queries), len(classes), dtype=torch.float64)
    votes.scatter_add_(1, number[nearest], 1 + cosine / (4 * k))
    return Classification(list(truth), [classes[i] for i in votes.argmax(dim=1).tolist()])


def leave_one_out(
    vectors: Tensor, labels: Sequence[str], k: int = NEIGHBOURS, *, groups: Sequence[str] | None = None
) -> Classification:
    """Classify each vector [N, d] by all others; with `groups` (of each vector) only by those of other groups."""
    if groups is None:
        excluded = torch.eye(len(vectors), dtype=torch.bool)
    else:
        names = sorted(set(groups))
        group = torch.tensor([names.index(name) for name in groups])
        excluded = group[:, None] == group[None]
    return classify(vectors, labels, vectors, labels, k, excluded=excluded)
