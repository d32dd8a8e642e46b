"""The geometry of a trained model, in the metadata of its file: weights of any size load without a choice by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import DisMoError

KEY = "geometry"


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file; none of other files and folders."""
    if Path(path).suffix not in (".safetensors", ".sft") or not Path(path).is_file():
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def maker(metadata: Mapping[str, str], name: str, make: Callable[[dict[str, Any]], Any]) -> Callable[[], Any] | None:
    """What makes the model that the metadata describe; None where they describe none.

    Args:
        metadata: of the file.
        name: of the file, for the message.
        make: makes a model from the geometry that was stored.

    Raises:
        DisMoError: they describe something that cannot be made.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        with torch.device("meta"):  # shapes alone: what a file says must not fill the memory
            make(json.loads(text))
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise DisMoError(
            f"{name} describes its model as {text[:200]}, which cannot be made ({error}). The file is damaged or of another kind."
        ) from error
    return lambda: make(json.loads(text))
