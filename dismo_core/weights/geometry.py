"""The geometry of a trained model, in the metadata of its file: weights of any size load without being told which."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import DisMoError
from ..imports import importing
from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..models.space_to_depth import SpaceToDepth

KEY = "geometry"
AUTOENCODER = "autoencoder."  # before the names of its tensors, in the file of a frame generator


def describe(model: MotionExtractor | FrameGenerator) -> str:
    """The arguments that make the model, as JSON; for a frame generator those of its autoencoder too."""
    geometry = dict(model.geometry)
    if isinstance(model, FrameGenerator):
        frozen = model.autoencoder
        config = {"factor": frozen.factor} if isinstance(frozen, SpaceToDepth) else frozen.config
        arguments = inspect.signature(type(frozen)).parameters  # diffusers' configs hold more
        geometry["autoencoder"] = {name: value for name, value in config.items() if name in arguments}
    return json.dumps(geometry)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file; none of other files and folders."""
    if Path(path).suffix not in (".safetensors", ".sft") or not Path(path).is_file():
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def extractor_of(metadata: Mapping[str, str], name: str) -> Callable[[], MotionExtractor] | None:
    """What makes the extractor that the metadata describe; None where they describe none.

    Raises:
        DisMoError: they describe something that cannot be made. name: of the file, for the message.
    """
    return _maker(metadata, name, lambda geometry: MotionExtractor(**geometry))


def generator_of(metadata: Mapping[str, str], name: str) -> Callable[[], FrameGenerator] | None:
    """Likewise the frame generator, with an autoencoder that is yet to be filled."""

    def make(geometry: dict[str, Any]) -> FrameGenerator:
        frozen = geometry.pop("autoencoder")
        return FrameGenerator(**geometry, autoencoder=SpaceToDepth(**frozen) if "factor" in frozen else _taesd(frozen))

    return _maker(metadata, name, make)


def _taesd(config: dict[str, Any]) -> Any:
    with importing("diffusers"):
        from diffusers import AutoencoderTiny

    return AutoencoderTiny(**config)


def _maker(metadata: Mapping[str, str], name: str, make: Callable[[dict[str, Any]], Any]) -> Callable[[], Any] | None:
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
