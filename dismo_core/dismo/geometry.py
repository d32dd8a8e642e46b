"""What the files of extractors and frame generators say of their own size."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..imports import importing
from ..weights.geometry import maker
from .models.extractor import MotionExtractor
from .models.generator import FrameGenerator
from .models.space_to_depth import SpaceToDepth


def describe(model: MotionExtractor | FrameGenerator) -> str:
    """The arguments that make the model, as JSON; for a frame generator those of its autoencoder too."""
    geometry = dict(model.geometry)
    if isinstance(model, FrameGenerator):
        frozen = model.autoencoder
        config = {"factor": frozen.factor} if isinstance(frozen, SpaceToDepth) else frozen.config
        arguments = inspect.signature(type(frozen)).parameters  # diffusers' configs hold more
        geometry["autoencoder"] = {name: value for name, value in config.items() if name in arguments}
    return json.dumps(geometry)


def extractor_of(metadata: Mapping[str, str], name: str) -> Callable[[], MotionExtractor] | None:
    """What makes the extractor that the metadata describe; None where they describe none.

    Raises:
        DisMoError: they describe something that cannot be made. name: of the file, for the message.
    """
    return maker(metadata, name, lambda geometry: MotionExtractor(**geometry))


def generator_of(metadata: Mapping[str, str], name: str) -> Callable[[], FrameGenerator] | None:
    """Likewise the frame generator, with an autoencoder that is yet to be filled."""

    def make(geometry: dict[str, Any]) -> FrameGenerator:
        frozen = geometry.pop("autoencoder")
        return FrameGenerator(**geometry, autoencoder=SpaceToDepth(**frozen) if "factor" in frozen else _taesd(frozen))

    return maker(metadata, name, make)


def _taesd(config: dict[str, Any]) -> Any:
    with importing("diffusers"):
        from diffusers import AutoencoderTiny

    return AutoencoderTiny(**config)
