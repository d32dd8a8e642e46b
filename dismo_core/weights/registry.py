"""What each base and method brings along: files on the hub, files in the pack, kinds of weights and how to check them.

Their `weights.py` and `kinds.py` fill these tables when they are imported. The code here knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from torch import Tensor

from .files import WeightFile
from .kinds import Kind
from .manifest import HubFile, HubFolder, HubModel

# The models that a file could hold: name, and the tensors that it then has.
Models = Callable[[WeightFile], Iterator[tuple[str, dict[str, Tensor]]]]

RELEASED: dict[str, HubFile] = {}  # name -> a published file
BASES: dict[str, HubModel] = {}  # name of the folder -> a published base model
COLLECTIONS: dict[str, tuple[HubFolder, ...]] = {}  # name -> repositories of many small files
BUNDLED: dict[str, Path] = {}  # name -> a file of this pack, with checksums.json beside it
# Of published training checkpoints that are no flat mapping: the weights in a .pt file, with their geometry; None = not such a file.
CHECKPOINTS: list[Callable[[Path], WeightFile | None]] = []
KINDS: list[Kind] = []  # in the order in which they are tried
MODELS: dict[Kind, Models] = {}  # of the kinds that can be checked


def register(
    *,
    kinds: Iterable[Kind] = (),
    models: Mapping[Kind, Models] | None = None,
    released: Mapping[str, HubFile] | None = None,
    bases: Mapping[str, HubModel] | None = None,
    collections: Mapping[str, tuple[HubFolder, ...]] | None = None,
    bundled: Mapping[str, Path] | None = None,
    checkpoints: Callable[[Path], WeightFile | None] | None = None,
) -> None:
    """Add the weights of a base or method to the tables.

    Args:
        kinds: what its files are, the surest to recognise first.
        models: for each kind that can be checked, the models that such a file can hold.
        released: see the table.
        bases: see the table.
        collections: see the table.
        bundled: see the table.
        checkpoints: see the table.
    """
    RELEASED.update(released or {})
    BASES.update(bases or {})
    COLLECTIONS.update(collections or {})
    BUNDLED.update(bundled or {})
    KINDS.extend(kinds)
    MODELS.update(models or {})
    if checkpoints is not None:
        CHECKPOINTS.append(checkpoints)
