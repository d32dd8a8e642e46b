"""Checking weight files and folders without loading them: checksum, tensor names and shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..imports import importing
from .base_folder import check_base
from .files import WeightFile, differences, read_weights
from .geometry import AUTOENCODER, extractor_of, generator_of
from .kinds import ADAPTER, EXTRACTOR, GENERATOR, Kind, recognise
from .manifest import BASE, check_released

if TYPE_CHECKING:
    from ..models.extractor import MotionExtractor


def verify(path: Path) -> str:
    """What a weight file or the folder of a base model is, after checking it.

    A file that bears a released name must have the released checksum. The tensors of any file must be those of a known
    model, by name and shape. Values are not looked at.

    Raises:
        DisMoError: what is wrong with it.
    """
    if path.is_dir():
        check_base(path)
        return "CogVideoX base, complete by its index files"
    check_released(path)
    file = read_weights(path)
    tensors = {name: value for name, value in file.tensors.items() if not name.startswith(AUTOENCODER)}
    kind = recognise(tensors) or EXTRACTOR
    if kind not in (ADAPTER, GENERATOR, EXTRACTOR):
        raise DisMoError(
            f"{path} is {kind.what}. Only adapters, extractors, frame generators and bases are checked here."
        )
    problems = []
    for name, expected in _models(kind, replace(file, tensors=tensors)):
        if not (problem := differences(expected, tensors)):
            return f"{name}, {len(tensors):,} tensors, {sum(t.numel() for t in tensors.values()):,} numbers"
        problems.append(f"Against {name}: {problem}")
    raise DisMoError(f"{path} fits no known model. {'. '.join(problems)}.")


def _models(kind: Kind, file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Models that a file of a kind could hold, with the tensors they have: the known ones, and that of its own metadata."""
    from ..models.extractor import MotionExtractor
    from ..models.generator import FrameGenerator

    def shapes(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
        with torch.device("meta"):
            return dict(make().state_dict())

    where, tensors = str(file.path), file.tensors
    if kind is ADAPTER:
        expected = shapes(lambda: _adapter_on_5b(tensors, extractor_of(file.metadata, where)))
        if not any(name.startswith("motion_extractor.") for name in tensors):
            expected = {k: v for k, v in expected.items() if not k.startswith("motion_extractor.")}
        yield "adapter for CogVideoX-5B-I2V", expected
    elif kind is GENERATOR:
        yield "tiny frame generator", shapes(FrameGenerator.tiny)
        if make := generator_of(file.metadata, where):
            yield "frame generator of its own geometry", shapes(make)
    else:
        yield "large motion extractor", shapes(MotionExtractor.large)
        yield "tiny motion extractor", shapes(MotionExtractor.tiny)
        if own := extractor_of(file.metadata, where):
            yield "motion extractor of its own geometry", shapes(own)


def _adapter_on_5b(tensors: dict[str, Tensor], extractor: Callable[[], MotionExtractor] | None) -> nn.Module:
    """An adapter for the released base, of the rank and the width of conditions that the tensors have."""
    with importing("diffusers"):
        from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    from ..cogvideox.adapter import CogVideoXMotionAdapter
    from ..cogvideox.base import CogVideoXBase
    from ..cogvideox.checkpoint import geometry
    from ..cogvideox.geometry import COGVIDEOX_5B_I2V as BASE_5B

    transformer = CogVideoXTransformer3DModel.from_config(dict(BASE_5B.transformer))
    nothing: Any = None
    base = CogVideoXBase(transformer, nothing, nothing, nothing, scheduler_config={}, name=BASE.repo)
    options: dict[str, Any] = dict(geometry(tensors))
    return CogVideoXMotionAdapter(base, extractor and extractor(), **options)
