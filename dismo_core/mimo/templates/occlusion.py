"""What stands in front of the person: which segments do, and in which frames to look (docs/methods/mimo.md, 7.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ...memory.plan import free_host_bytes
from ..crops.silhouette import clean_silhouette
from .fragments import count_fragments

OF_PERSON, OF_SEGMENT = 0.8, 0.5  # overlap above which a segment is the person
NEAR = 0.4  # of a segment, nearer than the person
COVERS, COVERS_LARGE, COVERS_GROUND = (
    100,
    600,
    0.1,
)  # of the body: px, px of segments larger than it, share for the ground
_GROUND_ROWS, _GROUND_SHARE = 10, 0.9


def occluders(
    person: NDArray[np.uint8],
    segments: NDArray[np.bool_],
    depth: NDArray[np.uint8],
    body: NDArray[np.bool_],
) -> tuple[list[int], NDArray[np.bool_]]:
    """The segments of a frame that stand in front of the person.

    A segment is kept where it is not the person (it covers at most 80 % of it, and the person at most half of the segment),
    at least 40 % of it lies nearer than the person's mean depth, and that part covers at least 100 px of the body; 600 px where the
    segment is larger than the person; a tenth of the body where it is ground, which covers 90 % of the last 10 rows.
    Overlap and ground are judged on the segment as given, the rest on the cleaned segment without the person.

    Args:
        person: [H, W], not 0 where the person is.
        segments: bool [N, H, W], one a segment.
        depth: uint8 [H, W]; nearer is larger, 0 = unknown.
        body: bool [H, W], the silhouette of the body render, which also shows what is hidden.

    Returns:
        Indices of the kept segments, and bool [H, W], where one of them (cleaned, without the person) is.

    Raises:
        DisMoError: sizes that differ, more segments than fit the memory, or a person without any pixel of known depth.
    """
    is_person, segments = np.asarray(person) > 0, np.asarray(segments)
    if not (segments.ndim == 3 and segments.shape[1:] == is_person.shape == np.shape(depth) == np.shape(body)):
        raise DisMoError(
            f"Person {list(is_person.shape)}, depth {list(np.shape(depth))} and body {list(np.shape(body))} must be [H, W], and the "
            f"segments {list(segments.shape)} [N, H, W] of the same size."
        )
    if segments.size > (free := free_host_bytes()):
        raise DisMoError(
            f"{len(segments):,} segments of {segments.shape[2]}x{segments.shape[1]} px take {segments.size / 1e9:,.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free. Give fewer segments, or smaller pictures."
        )
    segments = segments > 0
    known = is_person & (depth > 0)
    if not known.any():
        raise DisMoError("No pixel of the person has a known depth. Check the person mask and the depth picture.")
    near = (depth > depth[known].mean()) & ~is_person
    visible_body = clean_silhouette(_bytes(np.asarray(body) > 0)) > 0
    kept, front = [], np.zeros(is_person.shape, bool)
    for number, segment in enumerate(segments):
        overlap = np.count_nonzero(segment & is_person)
        if overlap > OF_PERSON * is_person.sum() or overlap > OF_SEGMENT * segment.sum():
            continue
        rest = (clean_silhouette(_bytes(segment)) > 0) & ~is_person
        if not rest.any() or np.count_nonzero(rest & near) < NEAR * rest.sum():
            continue
        if segment[-_GROUND_ROWS:].mean() >= _GROUND_SHARE:
            enough = int(COVERS_GROUND * visible_body.sum())
        else:
            enough = COVERS_LARGE if rest.sum() > is_person.sum() else COVERS
        if np.count_nonzero(rest & near & visible_body) >= enough:
            kept.append(number)
            front |= rest
    return kept, front


def occlusion_frames(masks: NDArray[np.uint8], count: int = 5, apart: int = 20) -> list[int]:
    """Frames in which the person falls into most fragments: there something stands in front.

    Greedily from the most fragments (8-connected, after cleaning); of equal ones the later frame first.

    Args:
        masks: uint8 [F, H, W], 255 = person.
        count: frames at most.
        apart: frames between any two of them at least.

    Returns:
        Frame numbers, ascending.
    """
    fragments = [count_fragments(clean_silhouette(np.asarray(mask))) for mask in masks]
    chosen: list[int] = []
    for index in sorted(range(len(fragments)), key=lambda index: (fragments[index], index), reverse=True):
        if len(chosen) < count and all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    return sorted(chosen)


def _bytes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(mask, 255, 0).astype(np.uint8)
