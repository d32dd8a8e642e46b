"""Clips in folders that name what they show, and the vectors that probes and neighbours are asked about."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from ..video.source import SUFFIXES

THUMBNAIL = 16  # px; pixel differences are compared at this size


@dataclass(frozen=True)
class LabelledClip:
    """A clip and the folders it lies in, outermost first."""

    path: Path
    labels: tuple[str, ...]


@dataclass
class ClipVectors:
    """One row per clip.

    Args:
        labels: what each clip shows, one tuple per row.
        pooled: embeddings, mean over time, float32 [N, d].
        differences: `pixel_differences`, float32 [N, 768].
        left_out: (path, why) of clips that gave no motion.
    """

    labels: list[tuple[str, ...]]
    pooled: Tensor
    differences: Tensor
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def column(self, level: int) -> list[str]:
        """The labels of one level."""
        return [labels[level] for labels in self.labels]


def find_labelled(folder: str | os.PathLike[str], levels: int = 1) -> list[LabelledClip]:
    """The clips `levels` folders below `folder`, sorted by path; the folders' names are the labels.

    Raises:
        DisMoError: no folder, or no clip at that depth.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DisMoError(f"{root} is not a folder. Give one that holds {'/'.join(['LABEL'] * levels)}/clip.mp4.")
    files = [p for p in root.glob("/".join(["*"] * (levels + 1))) if p.suffix.lower() in SUFFIXES and p.is_file()]
    clips = [LabelledClip(p, p.relative_to(root).parts[:-1]) for p in sorted(files) if not p.name.startswith(".")]
    if not clips:
        raise DisMoError(
            f"{root} holds no clips {levels} folder{'s' * (levels > 1)} deep. The name of the folder that a clip lies in is its label: "
            f"{root / '/'.join(['LABEL'] * levels) / 'clip.mp4'} (or {', '.join(s[1:] for s in SUFFIXES[1:])})."
        )
    return clips


def embed_clips(
    embed: Callable[[Path], tuple[Tensor, Tensor]],
    clips: Sequence[LabelledClip],
    progress: Callable[[int, int], None] | None = None,
) -> ClipVectors:
    """The vectors of each clip.

    Args:
        embed: path of a clip -> its embeddings [P, d] and the frames that they are of, uint8 [T, H, W, 3]. A clip for which
            it raises a DisMoError is left out.
        progress: called with (clips done, in all).

    Raises:
        DisMoError: none of the clips gave a motion.
    """
    labels, pooled, differences = [], [], []
    left_out: list[tuple[str, str]] = []
    for done, clip in enumerate(clips, 1):
        try:
            embeddings, used = embed(clip.path)
        except DisMoError as problem:
            left_out.append((str(clip.path), str(problem)))
        else:
            labels.append(clip.labels)
            pooled.append(embeddings.mean(dim=0))
            differences.append(pixel_differences(used))
        if progress is not None:
            progress(done, len(clips))
    if not labels:
        raise DisMoError(f"None of the {len(clips)} clips gave a motion; the first, {left_out[0][0]}: {left_out[0][1]}")
    return ClipVectors(labels, torch.stack(pooled), torch.stack(differences), left_out)


def pixel_differences(frames: Tensor) -> Tensor:
    """What changes where: mean over time of |frame - frame before| at 16x16 px.

    Args:
        frames: uint8 [T, H, W, 3], T >= 2.

    Returns:
        float32 [768], 0..1.
    """
    x = frames.movedim(-1, 1).float() / 255
    x = F.interpolate(x, size=(THUMBNAIL, THUMBNAIL), mode="bilinear", antialias=True, align_corners=False)
    return x.diff(dim=0).abs().mean(dim=0).flatten()
