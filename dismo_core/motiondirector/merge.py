"""Adapters summed into one: exactly, by joining their ranks, or brought back to a rank by the singular values.

s_1 U_1 D_1 + s_2 U_2 D_2 = [s_1 U_1 | s_2 U_2] [D_1; D_2], of rank r_1 + r_2. The nearest matrix of rank r (Eckart and Young 1936) has
the r largest singular values; the share of the squared ones that it keeps is the kept energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DisMoError
from .adapter_file import AdapterFile
from .dual_path import LARGEST_RANK


@dataclass(frozen=True)
class Merged:
    """A sum of adapters.

    Args:
        file: of one adapter.
        kept: share of the sum's squared numbers that it has, 0..1; 1 = the sum itself.
    """

    file: AdapterFile
    kept: float


def sum_adapters(file: AdapterFile, scales: Sequence[float] | None = None) -> AdapterFile:
    """The adapters of a file as one, exactly; of rank N * r.

    Args:
        file: of N appearance adapters.
        scales: of each; None = 1 / N, their average.

    Raises:
        DisMoError: another number of scales.
    """
    scales = [1 / file.count] * file.count if scales is None else scales
    if len(scales) != file.count:
        raise DisMoError(f"{len(scales)} scales for the {file.count} adapters of {file.path}.")
    return merge_adapters([one_adapter(file, k) for k in range(file.count)], scales).file


def one_adapter(file: AdapterFile, index: int) -> AdapterFile:
    """Adapter `index` of a file alone.

    Raises:
        DisMoError: there is no such one.
    """
    if not 0 <= index < file.count:
        raise DisMoError(f"{file.path} holds {file.count} adapters, counted from 0; there is no {index}.")
    tensors = [half for pair in file.pairs(index) for half in pair]
    return AdapterFile(file.path, file.part, tensors, file.layers, file.metadata)


def merge_adapters(files: Sequence[AdapterFile], scales: Sequence[float], rank: int = 0) -> Merged:
    """scale_1 * adapter_1 + scale_2 * adapter_2 + ... as one adapter.

    Args:
        files: of one adapter each, of the same part and base.
        scales: as many.
        rank: of the result; 0 = the exact sum.

    Raises:
        DisMoError: adapters that do not belong together, or a rank that cannot be.
    """
    first = files[0]
    for other in files:
        if other.part != first.part:
            raise DisMoError(
                f"{first.path} is of the {first.part} and {other.path} of the {other.part}; these are not added."
            )
        if other.count != 1:
            raise DisMoError(f"{other.path} holds {other.count} adapters. Choose one of them, or their sum, first.")
        if _sides(other) != _sides(first):
            raise DisMoError(f"{other.path} is for another base than {first.path}: their linears have other sizes.")
    if not 0 <= rank <= LARGEST_RANK:
        raise DisMoError(f"The rank must be 1 to {LARGEST_RANK}, or 0 for the exact sum, not {rank}.")
    tensors: list[Tensor] = []
    kept = total = 0.0
    for pairs in zip(*(file.pairs(0) for file in files), strict=True):
        up = torch.cat([scale * u.float() for scale, (u, _) in zip(scales, pairs, strict=True)], dim=1)
        down = torch.cat([d.float() for _, d in pairs])
        if rank and rank < up.shape[1]:
            up, down, energies = _reduced(up, down, rank)
            kept, total = kept + float(energies[:rank].sum()), total + float(energies.sum())
        tensors += [up, down]
    metadata = {key: value for key, value in first.metadata.items() if all(f.metadata.get(key) == value for f in files)}
    name = Path(" + ".join(file.path.name for file in files))
    return Merged(AdapterFile(name, first.part, tensors, first.layers, metadata), kept / total if total else 1.0)


def _reduced(up: Tensor, down: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices of a smaller rank with the nearest product, each of the same size, and the squared singular values."""
    q_up, r_up = torch.linalg.qr(up)
    q_down, r_down = torch.linalg.qr(down.T)
    left, values, right = torch.linalg.svd(r_up @ r_down.T)
    root = values[:rank].sqrt()
    return q_up @ (left[:, :rank] * root), (root[:, None] * right[:rank]) @ q_down.T, values.square()


def _sides(file: AdapterFile) -> list[tuple[int, int]]:
    return [(up.shape[0], down.shape[1]) for up, down in file.pairs(0)]
