"""What is in a file of adapters, without running it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .adapter_file import PUBLISHED, AdapterFile, published_layers

SAID = ("format", "part", "rank", "base")  # of the metadata


@dataclass(frozen=True)
class Inspected:
    """Facts about a file.

    Args:
        part: "appearance" or "motion".
        base: told by the file, or guessed from the shapes.
        rank: of the updates.
        count: adapters in it.
        norms: block of the UNet -> root of the summed squares of the updates in it, of each adapter.
    """

    part: str
    base: str
    rank: int
    count: int
    norms: dict[str, list[float]]


def inspect_adapter(file: AdapterFile) -> Inspected:
    """Facts about a file; see `Inspected`."""
    squares: dict[str, list[float]] = {}
    for k in range(file.count):
        for name, (up, down) in zip(file.layers, file.pairs(k), strict=True):
            held = squares.setdefault(_block(name), [0.0] * file.count)
            held[k] += float(((up.float().T @ up.float()) * (down.float() @ down.float().T)).sum())
    return Inspected(
        file.part,
        file.metadata.get("base") or _guess(file),
        file.rank,
        file.count,
        {block: [math.sqrt(max(value, 0.0)) for value in values] for block, values in squares.items()},
    )


def described(file: AdapterFile) -> str:
    """The facts about a file in lines for people."""
    found = inspect_adapter(file)
    adapters = f"{found.count} adapters" if found.count > 1 else "one adapter"
    lines = [f"{found.part}, {adapters} of rank {found.rank}", f"base: {found.base}"]
    lines += [f"{key}: {value}" for key, value in sorted(file.metadata.items()) if key not in SAID]
    lines += [f"norm in {block}: {', '.join(f'{norm:.4g}' for norm in norms)}" for block, norms in found.norms.items()]
    if not any(norm for norms in found.norms.values() for norm in norms):
        lines.append("All updates are zero: this adapter changes nothing.")
    return "\n".join(lines)


def _guess(file: AdapterFile) -> str:
    entries, height = PUBLISHED[file.part]
    fits = file.tensors[0].shape[0] == height and len(file.tensors) % entries == 0
    return (
        "ZeroScope or ModelScope, by its shapes" if fits and file.layers == published_layers(file.part) else "not known"
    )


def _block(name: str) -> str:
    match = re.match(r"(?:down_blocks|up_blocks)\.\d+|\w+", name)
    return match[0] if match else name
