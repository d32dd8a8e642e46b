"""What vectors know of motion and of appearance, on held-out clips of seven motion families in eight appearances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...evaluation.disentangle import probe
from ...evaluation.knn import NEIGHBOURS, leave_one_out
from ...evaluation.labelled import pixel_differences
from ...synthetic.held_out.families import FAMILIES
from ...synthetic.held_out.scenes import Frames
from ..extract import extract_motion
from .pipeline import FPS, untrained

if TYPE_CHECKING:
    from ..models.extractor import MotionExtractor

WANTED_NEIGHBOURS = 0.9
WANTED_ABOVE_CHANCE = 0.1  # at most so much may an appearance probe be better than chance
Vector = Callable[[Tensor], Tensor]
"""Clip uint8 [T, H, W, 3] -> vector [d]."""


def pooled(extractor: MotionExtractor) -> Vector:
    """Embeddings, mean over time."""
    return lambda clip: extract_motion(extractor, clip, fps=FPS, frames=0).embeddings.mean(dim=0)


def makers(extractor: MotionExtractor) -> dict[str, Vector]:
    """The vectors to compare by name: the extractor's, an untrained one's, and pixel differences."""
    return {
        "motion extractor": pooled(extractor),
        "untrained extractor": pooled(untrained(extractor)),
        "pixel differences": pixel_differences,
    }


def probe_families(
    clips: Sequence[Frames],
    families: Sequence[str],
    appearances: Sequence[str],
    vectors: Mapping[str, Vector],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Neighbours (of other appearances only) and appearance probe for each kind of vector.

    Args:
        clips: from `draw_clips`.
        families: of each clip.
        appearances: of each clip.
        vectors: by name.
        progress: called with (vectors made, in all).

    Raises:
        DisMoError: scikit-learn is missing, or the clips are too few.
    """
    rows: dict[str, dict[str, Any]] = {}
    total = len(clips) * len(vectors)
    for number, (name, make) in enumerate(vectors.items()):
        made = []
        for clip in clips:
            made.append(make(torch.from_numpy(clip)))
            if progress is not None:
                progress(number * len(clips) + len(made), total)
        stacked = torch.stack(made)
        neighbours = leave_one_out(stacked, families, NEIGHBOURS, groups=appearances)
        rows[name] = {
            "knn": neighbours.accuracy,
            "knn_by_family": neighbours.by_class(),
            "confusion": {"classes": neighbours.classes, "counts": neighbours.confusion().tolist()},
            "appearance_probe": probe(stacked, appearances).accuracy,
        }
    return rows


def report(rows: Mapping[str, dict[str, Any]], clips: int, appearances: int) -> dict[str, Any]:
    """The rows with what chance gives and whether the extractor is as wanted, for JSON."""
    own, chance = rows["motion extractor"], 1 / appearances
    return {
        "clips": clips,
        "chance": {"family": 1 / len(FAMILIES), "appearance": chance},
        "verdict": {
            "knn": [own["knn"], own["knn"] >= WANTED_NEIGHBOURS],
            "appearance_probe": [own["appearance_probe"], own["appearance_probe"] <= chance + WANTED_ABOVE_CHANCE],
        },
        "rows": dict(rows),
    }
