"""Weight files of full size that take no room on the disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path


def sparse(path: Path, shapes: Mapping[str, Sequence[int]], dtype: str = "F8_E4M3", itemsize: int = 1) -> None:
    """A safetensors file of these shapes, whose zeros are never written.

    Args:
        path: of the file.
        shapes: by the tensors' names.
        dtype: as the format names it.
        itemsize: its bytes.
    """
    header, at = {}, 0
    for name, shape in shapes.items():
        size = itemsize * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
