"""Connected pieces of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_fragments(mask: NDArray[np.generic]) -> int:
    """Number of 8-connected pieces of the pixels of [H, W] that are not 0."""
    return len({_root(parents, run) for parents, _ in [_runs(mask)] for run in range(len(parents))})


def largest_fragment(mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The 8-connected piece of [H, W] with most pixels, as bool [H, W]; empty where there is none."""
    parents, runs = _runs(mask)
    sizes: dict[int, int] = {}
    for number, (_, begin, end) in enumerate(runs):
        root = _root(parents, number)
        sizes[root] = sizes.get(root, 0) + end - begin
    piece = np.zeros(mask.shape, bool)
    if sizes:
        largest = max(sizes, key=lambda root: sizes[root])
        for number, (row, begin, end) in enumerate(runs):
            if _root(parents, number) == largest:
                piece[row, begin:end] = True
    return piece


def border_fragments(mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The pieces of [H, W] that reach the border of the picture, as bool [H, W]."""
    parents, runs = _runs(mask)
    height, width = mask.shape
    roots = {
        _root(parents, number)
        for number, (row, begin, end) in enumerate(runs)
        if row in (0, height - 1) or begin == 0 or end == width
    }
    pieces = np.zeros(mask.shape, bool)
    for number, (row, begin, end) in enumerate(runs):
        if _root(parents, number) in roots:
            pieces[row, begin:end] = True
    return pieces


def _runs(mask: NDArray[np.generic]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Runs (row, begin, end) of pixels, and for each the number of one that it is connected with (union-find)."""
    filled = np.asarray(mask) != 0
    edges = np.diff(np.pad(filled, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = list(zip(rows.tolist(), begins.tolist(), ends.tolist(), strict=True))
    parents = list(range(len(runs)))
    above = 0
    for number, (row, begin, end) in enumerate(runs):
        while above < number and (runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] < begin)):
            above += 1
        other = above
        while other < number and runs[other][0] == row - 1 and runs[other][1] <= end:
            parents[_root(parents, number)] = _root(parents, other)
            other += 1
    return parents, runs


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number
