"""The weights in a file that may be more than a flat mapping of tensors: somebody's training checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from . import registry
from .files import WeightFile, read_weights


def read_unwrapped(path: str | os.PathLike[str]) -> WeightFile:
    """The weights of any file: what a method says of its own checkpoints, else what lies under `state_dict`, else the file itself.

    Raises:
        DisMoError: see `read_weights`.
    """
    known = (file for read in registry.CHECKPOINTS if (file := read(Path(path))) is not None)
    return next(known, None) or read_weights(path, unwrap=True)
