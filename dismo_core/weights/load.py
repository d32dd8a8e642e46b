"""Models from names or files; strict: names, shapes, nothing missing, nothing left over."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import DisMoError
from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..models.rotary import AxialRotary3D
from . import kinds
from .files import WeightFile, differences, read_weights, sha256
from .geometry import AUTOENCODER, extractor_of, generator_of, read_metadata
from .hub import require
from .kinds import Kind, require_kind
from .manifest import check_released

if TYPE_CHECKING:
    from ..cogvideox.adapter import CogVideoXMotionAdapter
    from ..cogvideox.base import CogVideoXBase

log = logging.getLogger(__name__)

ASSETS = Path(__file__).parent.parent / "assets"
BUNDLED: dict[str, Path] = {
    "dismo_tiny_extractor": ASSETS / "dismo_tiny_extractor.safetensors",
    "dismo_tiny_generator": ASSETS / "dismo_tiny_generator.safetensors",
}
CHECKSUMS = ASSETS / "checksums.json"
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
        device, dtype: where and in which precision it runs; float32 is the reference.
        download: fetch "large" (2.4 GB) where it is not on this machine.

    Raises:
        DisMoError: no such name or file, a damaged file, names or shapes that do not fit.
    """
    if os.fspath(name_or_path) == "large":
        name_or_path = require("motion_extractor_large", download=download)
    file = _open(name_or_path, "dismo_tiny_extractor", kinds.EXTRACTOR)
    own = extractor_of(file.metadata, str(file.path))
    geometries = {"its own": own} if own else {"tiny": MotionExtractor.tiny, "large": MotionExtractor.large}
    extractor: MotionExtractor = _build(file, geometries)
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
    file = _open(name_or_path, "dismo_tiny_generator", kinds.GENERATOR)
    own = generator_of(file.metadata, str(file.path))
    frozen = {k.removeprefix(AUTOENCODER): v for k, v in file.tensors.items() if k.startswith(AUTOENCODER)}
    file = replace(file, tensors={k: v for k, v in file.tensors.items() if not k.startswith(AUTOENCODER)})
    geometries = {"its own": own} if own else {"tiny": FrameGenerator.tiny}
    generator: FrameGenerator = _build(file, geometries)
    if problem := differences(generator.autoencoder.state_dict(), frozen):
        raise DisMoError(f"The autoencoder in {file.path} is not the one of its generator. {problem}. Export it again.")
    generator.autoencoder.load_state_dict({k: v.float() for k, v in frozen.items()})
    generator.extractor_id = file.metadata.get("extractor", "")
    return generator.to(device, dtype).eval().requires_grad_(False)


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
    from ..cogvideox.adapter import CogVideoXMotionAdapter
    from ..cogvideox.attached import without_memory
    from ..cogvideox.base import CogVideoXBase, load_base
    from ..cogvideox.checkpoint import EXTRACTOR, geometry, read_adapter

    path = Path(name_or_path)
    if os.fspath(name_or_path) == "large":
        path = require("cogvideox5b_i2v_large", download=download)
    tensors = read_adapter(path)
    if motion_extractor is None and (own := extractor_of(read_metadata(path), str(path))):
        motion_extractor = without_memory(own)
    elif motion_extractor is None:
        query = tensors.get(EXTRACTOR + "query_tokens")
        tiny = without_memory(MotionExtractor.tiny)
        motion_extractor = tiny if query is not None and query.shape == tiny.query_tokens.shape else None
    base = base if isinstance(base, CogVideoXBase) else load_base(base, dtype, download=download)
    adapter = CogVideoXMotionAdapter.empty(base, motion_extractor, dtype, **geometry(tensors))
    del tensors  # mapped; load_adapter reads them again
    try:
        adapter.load_adapter(path)
    except BaseException:
        adapter.detach()  # a base given by the caller can be used again
        raise
    check_frequencies(adapter.motion_extractor, path.name)
    return adapter


def bundled_checksum(path: Path) -> str:
    """What the sha256 of a bundled file must be."""
    return str(json.loads(CHECKSUMS.read_text())[path.name])


def _open(name_or_path: str | os.PathLike[str], tiny: str, kind: Kind) -> WeightFile:
    if os.fspath(name_or_path) == "tiny":
        path = BUNDLED[tiny]
        if not path.is_file():
            raise DisMoError(f"The bundled weights {path} are missing. Install the pack again.")
        if (found := sha256(path)) != (known := bundled_checksum(path)):
            raise DisMoError(
                f"{path} has the checksum {found}, not {known}: the file is damaged. Install the pack again."
            )
        return read_weights(path)
    if not Path(name_or_path).suffix:
        raise DisMoError(
            f"There are no bundled weights called {os.fspath(name_or_path)!r}; bundled is: tiny. Or give the path of a weight file."
        )
    check_released(name_or_path)
    file = read_weights(name_or_path)
    require_kind(kind, file.tensors, str(file.path))
    return file


def _build(file: WeightFile, geometries: Mapping[str, Callable[[], nn.Module]]) -> Any:
    """The module of the one geometry that the tensors fit, filled strictly."""
    problems = []
    for name, make in geometries.items():
        with torch.device("meta"):
            expected = make().state_dict()
        problem = differences(expected, file.tensors)
        if not problem:
            if bad := [name for name, value in file.tensors.items() if not bool(value.float().isfinite().all())]:
                raise DisMoError(
                    f"{file.path} holds NaN or infinite values in {len(bad)} tensors, as in {bad[0]}. The file is damaged, or its "
                    "training had diverged; fetch it again, or take an earlier checkpoint."
                )
            module = make()
            module.load_state_dict({k: v.float() for k, v in file.tensors.items()}, strict=True)
            return module
        problems.append(f"Against {name}: {problem}")
    raise DisMoError(f"{file.path} fits no known geometry. {'. '.join(problems)}. Check that it is the right file.")


def check_frequencies(extractor: MotionExtractor, name: str) -> None:
    """Rotary frequencies are stored, not constants; warn where those of the large geometry left their formula (specs/dismo.md, 1.2).

    Those of other geometries are trained along.
    """
    expected = AxialRotary3D(*LARGE_ROTARY)
    for key, value in extractor.pos_emb.named_parameters():
        formula = expected.get_parameter(key)
        if value.shape == formula.shape and not torch.allclose(value.cpu(), formula, rtol=FREQUENCY_TOLERANCE, atol=0):
            log.warning(
                "%s: pos_emb.%s differs from its formula by more than %g relative.", name, key, FREQUENCY_TOLERANCE
            )
