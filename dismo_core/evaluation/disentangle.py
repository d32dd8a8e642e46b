"""Linear probes: what can be read from a vector by a plane. Motion should be; appearance should not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..errors import DisMoError
from .knn import Classification

FOLDS = 5


def require_scikit_learn() -> None:
    """Raise where `probe` would; asked before long work.

    Raises:
        DisMoError: scikit-learn is missing.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise DisMoError("Linear probes need scikit-learn. Install it: pip install scikit-learn") from error


def probe(
    vectors: Tensor, labels: Sequence[str], *, groups: Sequence[str] | None = None, seed: int = 0
) -> Classification:
    """Logistic regression on standardised vectors, cross-validated: every clip is judged by a probe that has not seen it.

    Five folds, each with the classes in their proportions (fewer where a class has fewer clips).

    Args:
        vectors: [N, d].
        labels: the class of each.
        groups: where given, clips of one group are judged by a probe that has seen none of that group, instead of folds.
        seed: of the folds.

    Raises:
        DisMoError: scikit-learn is missing, fewer than two classes or groups, or a class with a single clip.
    """
    require_scikit_learn()
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rarest, count = Counter(labels).most_common()[-1]
    if len(set(labels)) < 2 or count < 2:
        raise DisMoError(
            f"A probe needs two classes or more with at least two clips each; there are {len(set(labels))}, and {rarest!r} has {count}."
        )
    if groups is not None and any(
        len({g for g, label in zip(groups, labels, strict=True) if label == name}) < 2 for name in set(labels)
    ):
        raise DisMoError("Each class must occur in two groups or more, else there is nothing to learn it from.")
    folds = (
        LeaveOneGroupOut()
        if groups is not None
        else StratifiedKFold(min(FOLDS, count), shuffle=True, random_state=seed)
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predicted = cross_val_predict(model, vectors.double().numpy(), np.array(labels), groups=groups, cv=folds)
    return Classification(list(labels), predicted.tolist())
