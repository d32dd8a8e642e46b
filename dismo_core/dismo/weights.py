"""Weights of DisMo: what is published, what is bundled, and models from names or files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..cogvideox.weights import BASE
from ..errors import DisMoError
from ..imports import importing
from ..weights import registry
from ..weights.files import WeightFile, differences, read_weights
from ..weights.geometry import read_metadata
from ..weights.hub import require
from ..weights.load import build, open_weights
from ..weights.manifest import HubFile
from ..weights.recognise import recognise
from .geometry import extractor_of, generator_of
from .kinds import ADAPTER, AUTOENCODER, EXTRACTOR, GENERATOR, LAYERED
from .layered.networks import networks_of
from .models.extractor import MotionExtractor
from .models.generator import FrameGenerator
from .models.rotary import AxialRotary3D

if TYPE_CHECKING:
    from ..cogvideox.base import CogVideoXBase
    from .adapter.adapter import CogVideoXMotionAdapter
    from .layered.model import LayeredModel

log = logging.getLogger(__name__)

ASSETS = Path(__file__).parent.parent / "assets" / "dismo"
TINY_FILES = ("dismo_tiny_extractor", "dismo_tiny_generator", "dismo_tiny_layered")
BUNDLED = {name: ASSETS / f"{name}.safetensors" for name in TINY_FILES}
NON_COMMERCIAL = "CC BY-NC 4.0: non-commercial use only; for commercial use ask the authors of DisMo"
RELEASED = {
    "motion_extractor_large": HubFile(
        repo="CompVis/DisMo",
        path="motion_extractor_large.pt",
        size=2_377_565_737,
        etag="31a291924a813f1c0d6b19de48fe606e1a87d11692059f8cb04cbfe7f0146965",
        licence=NON_COMMERCIAL,
    ),
    "cogvideox5b_i2v_large": HubFile(
        repo="CompVis/DisMo",
        path="cogvideox5b_i2v_large.pt",
        size=3_156_582_265,
        etag="b7c9ef91a996c591eced17612f870415ed0b81d50d6990f0cb9fc85a0a3f10e9",
        licence=NON_COMMERCIAL,
    ),
}
FREQUENCY_TOLERANCE = 1e-4
LARGE_ROTARY = (16, 64)  # heads, width of a head


def load_motion_extractor(
    name_or_path: str | os.PathLike[str] = "tiny",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    download: bool = False,
) -> MotionExtractor:
    """A motion extractor, in evaluation mode, without gradients.

    Args:
        name_or_path: "tiny" (bundled), "large" (released, in the default folder), or a file of extractor weights
            (.safetensors, .pt) of the tiny or large geometry, or of the one that its metadata describe.
        device: where it runs.
        dtype: precision in which it runs; float32 is the reference.
        download: fetch "large" (2.4 GB) where it is not on this machine.

    Raises:
        DisMoError: no such name or file, a damaged file, names or shapes that do not fit.
    """
    if os.fspath(name_or_path) == "large":
        name_or_path = require("motion_extractor_large", download=download)
    file = open_weights(name_or_path, {"tiny": BUNDLED["dismo_tiny_extractor"]}, EXTRACTOR)
    own = extractor_of(file.metadata, str(file.path))
    geometries = {"its own": own} if own else {"tiny": MotionExtractor.tiny, "large": MotionExtractor.large}
    extractor: MotionExtractor = build(file, geometries)
    extractor.pin_id()
    check_frequencies(extractor, file.path.name)
    return extractor.to(device, dtype).eval().requires_grad_(False)


def load_frame_generator(
    name_or_path: str | os.PathLike[str] = "tiny",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> FrameGenerator:
    """A frame generator, in evaluation mode, without gradients; see `load_motion_extractor`.

    The metadata entry `extractor` of the file names the extractor that it was trained with.
    """
    file = open_weights(name_or_path, {"tiny": BUNDLED["dismo_tiny_generator"]}, GENERATOR)
    own = generator_of(file.metadata, str(file.path))
    frozen = {k.removeprefix(AUTOENCODER): v for k, v in file.tensors.items() if k.startswith(AUTOENCODER)}
    file = replace(file, tensors={k: v for k, v in file.tensors.items() if not k.startswith(AUTOENCODER)})
    geometries = {"its own": own} if own else {"tiny": FrameGenerator.tiny}
    generator: FrameGenerator = build(file, geometries)
    if problem := differences(generator.autoencoder.state_dict(), frozen):
        raise DisMoError(f"The autoencoder in {file.path} is not the one of its generator. {problem}. Export it again.")
    generator.autoencoder.load_state_dict({k: v.float() for k, v in frozen.items()})
    generator.extractor_id = file.metadata.get("extractor", "")
    return generator.to(device, dtype).eval().requires_grad_(False)


def is_layered(path: str | os.PathLike[str]) -> bool:
    """Whether a file of weights holds a layered model; false also where it cannot be read: who loads it says why."""
    if Path(path).suffix not in (".safetensors", ".sft") or not Path(path).is_file():
        return False
    return recognise(read_weights(path).tensors) is LAYERED


def load_layered_model(
    name_or_path: str | os.PathLike[str] = "tiny",
    device: str | torch.device = "cpu",
    *,
    moves: str = "auto",
    borders: str = "mirror",
    shutter: float = 0.0,
    fps: float = 0.0,
) -> LayeredModel:
    """A layered model, which warps the original picture: for motions of the extractor that its head was fitted to.

    Args:
        name_or_path: "tiny" or "layered" (bundled, for the tiny extractor), or a file that `dismo train layered` wrote.
        device: where its networks run.
        moves: see `LayeredModel`.
        borders: likewise.
        shutter: likewise.
        fps: likewise.

    Raises:
        DisMoError: no such name or file, a damaged file, or a choice that there is not.
    """
    from .layered.checks import check_choices
    from .layered.model import LayeredModel

    check_choices(moves, borders, shutter, fps)
    file = open_weights(name_or_path, dict.fromkeys(("tiny", "layered"), BUNDLED["dismo_tiny_layered"]), LAYERED)
    make = networks_of(file.metadata, str(file.path))
    if make is None or not (extractor_id := file.metadata.get("extractor")):
        raise DisMoError(f"{file.path} does not say which extractor it belongs to. It is damaged; train it again.")
    networks = build(file, {"its own": make}).to(device).eval().requires_grad_(False)
    networks.head.extractor_id = extractor_id
    return LayeredModel(networks.head, networks.segmenter, moves, borders, shutter, fps)


def load_cogvideox_adapter(
    name_or_path: str | os.PathLike[str] = "large",
    *,
    base: str | os.PathLike[str] | CogVideoXBase,
    motion_extractor: MotionExtractor | None = None,
    dtype: torch.dtype = torch.bfloat16,
    download: bool = False,
) -> CogVideoXMotionAdapter:
    """A CogVideoX motion adapter on its base, on the CPU; never two copies of the weights in memory.

    Args:
        name_or_path: "large" (released, in the default folder), a file of adapter weights (.safetensors, .pt), or a
            folder with its parts as safetensors.
        base: diffusers folder or hub id of CogVideoX-5B-I2V, or a loaded base.
        motion_extractor: needed where the file holds none, or one of a geometry that is neither large nor tiny nor in the file's metadata.
        dtype: of the LoRA, and of the base where it is loaded here; bfloat16 is the reference.
        download: fetch what is not on this machine: "large" (3.2 GB), a hub id as base (about 21 GB).

    Raises:
        DisMoError: no such name or file, a damaged file, names, shapes or dtypes that do not fit, or another base.
    """
    from ..cogvideox.base import CogVideoXBase, load_base
    from .adapter.adapter import CogVideoXMotionAdapter
    from .adapter.adapter_file import EXTRACTOR as EMBEDDED
    from .adapter.adapter_file import geometry, read_adapter
    from .adapter.module import without_memory

    path = Path(name_or_path)
    if os.fspath(name_or_path) == "large":
        path = require("cogvideox5b_i2v_large", download=download)
    tensors = read_adapter(path)
    if motion_extractor is None and (own := extractor_of(read_metadata(path), str(path))):
        motion_extractor = without_memory(own)
    elif motion_extractor is None:
        query = tensors.get(EMBEDDED + "query_tokens")
        tiny = without_memory(MotionExtractor.tiny)
        motion_extractor = tiny if query is not None and query.shape == tiny.query_tokens.shape else None
    base = base if isinstance(base, CogVideoXBase) else load_base(base, dtype, download=download)
    adapter = CogVideoXMotionAdapter.empty(base, motion_extractor, dtype, **geometry(tensors))
    del tensors  # memory-mapped; load_adapter reads them again
    try:
        adapter.load_adapter(path)
    except BaseException:
        adapter.detach()  # a base given by the caller can be used again
        raise
    check_frequencies(adapter.motion_extractor, path.name)
    return adapter


def check_frequencies(extractor: MotionExtractor, name: str) -> None:
    """Warn where stored rotary frequencies of the large geometry left their formula (docs/methods/dismo.md, 2.2).

    Those of other geometries are trained along.
    """
    expected = AxialRotary3D(*LARGE_ROTARY)
    for key, value in extractor.pos_emb.named_parameters():
        formula = expected.get_parameter(key)
        if value.shape == formula.shape and not torch.allclose(value.cpu(), formula, rtol=FREQUENCY_TOLERANCE, atol=0):
            log.warning(
                "%s: pos_emb.%s differs from its formula by more than %g relative.", name, key, FREQUENCY_TOLERANCE
            )


def _shapes(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(make().state_dict())


def _adapters(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    own = extractor_of(file.metadata, str(file.path))
    expected = _shapes(lambda: _adapter_on_5b(file.tensors, own))
    if not any(name.startswith("motion_extractor.") for name in file.tensors):
        expected = {k: v for k, v in expected.items() if not k.startswith("motion_extractor.")}
    yield "adapter for CogVideoX-5B-I2V", expected


def _generators(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    yield "tiny frame generator", _shapes(FrameGenerator.tiny)
    if own := generator_of(file.metadata, str(file.path)):
        yield "frame generator of its own geometry", _shapes(own)


def _layered(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if own := networks_of(file.metadata, str(file.path)):
        yield "layered model of its own geometry", _shapes(own)


def _extractors(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    yield "large motion extractor", _shapes(MotionExtractor.large)
    yield "tiny motion extractor", _shapes(MotionExtractor.tiny)
    if own := extractor_of(file.metadata, str(file.path)):
        yield "motion extractor of its own geometry", _shapes(own)


def _adapter_on_5b(tensors: dict[str, Tensor], extractor: Callable[[], MotionExtractor] | None) -> nn.Module:
    """An adapter for the released base, of the rank and the width of conditions that the tensors have."""
    with importing("diffusers"):
        from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    from ..cogvideox.base import CogVideoXBase
    from ..cogvideox.geometry import COGVIDEOX_5B_I2V as BASE_5B
    from .adapter.adapter import CogVideoXMotionAdapter
    from .adapter.adapter_file import geometry

    transformer = CogVideoXTransformer3DModel.from_config(dict(BASE_5B.transformer))
    nothing: Any = None
    base = CogVideoXBase(transformer, nothing, nothing, nothing, scheduler_config={}, name=BASE.repo)
    options: dict[str, Any] = dict(geometry(tensors))
    return CogVideoXMotionAdapter(base, extractor and extractor(), **options)


registry.register(
    models={ADAPTER: _adapters, GENERATOR: _generators, LAYERED: _layered, EXTRACTOR: _extractors},
    released=RELEASED,
    bundled=BUNDLED,
)
