"""Checking weight files and folders without loading them: checksum, tensor names and shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from .files import differences, read_weights
from .manifest import BASE, check_released

BASE_WEIGHTS = {
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


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
    tensors = read_weights(path).tensors
    problems = []
    for name, expected in _models(tensors):
        if not (problem := differences(expected, tensors)):
            return f"{name}, {len(tensors):,} tensors, {sum(t.numel() for t in tensors.values()):,} numbers"
        problems.append(f"Against {name}: {problem}")
    raise DisMoError(f"{path} fits no known model. {'. '.join(problems)}.")


def check_base(folder: Path) -> None:
    """Check that a diffusers folder has every file and tensor that its index files name.

    Raises:
        DisMoError: what is missing.
    """
    from ..cogvideox.mapped import opened, shards

    if not (folder / "model_index.json").is_file():
        raise DisMoError(f"{folder} is no diffusers folder: it has no model_index.json.")
    for part, stem in BASE_WEIGHTS.items():
        found: dict[str, str] = {}
        for file in shards(folder / part, stem):
            with opened(file) as tensors:
                found |= dict.fromkeys(tensors.keys(), file.name)
        index = folder / part / f"{stem}.safetensors.index.json"
        if index.is_file():
            wanted = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            if wrong := sorted(name for name, file in wanted.items() if found.get(name) != file):
                raise DisMoError(
                    f"{folder / part} lacks {len(wrong)} tensors that its index names, as {wrong[0]} in {wanted[wrong[0]]}. "
                    "Its files belong to different versions: fetch them again."
                )


def _models(tensors: dict[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Known models that a file with these tensors could hold, with the tensors they have."""
    from ..models.extractor import MotionExtractor
    from ..models.generator import FrameGenerator

    def shapes(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
        with torch.device("meta"):
            return dict(make().state_dict())

    if "init_gru_state" in tensors:
        expected = shapes(_large_adapter)
        if not any(name.startswith("motion_extractor.") for name in tensors):
            expected = {k: v for k, v in expected.items() if not k.startswith("motion_extractor.")}
        yield "adapter for CogVideoX-5B-I2V", expected
    elif any(name.startswith("autoencoder.") for name in tensors):
        generator = FrameGenerator.tiny
        own, decoder = shapes(generator), shapes(lambda: generator().autoencoder)
        yield "tiny frame generator", own | {f"autoencoder.{k}": v for k, v in decoder.items()}
    else:
        yield "large motion extractor", shapes(MotionExtractor.large)
        yield "tiny motion extractor", shapes(MotionExtractor.tiny)


def _large_adapter() -> nn.Module:
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    from ..cogvideox.adapter import CogVideoXMotionAdapter
    from ..cogvideox.base import CogVideoXBase
    from ..cogvideox.geometry import COGVIDEOX_5B_I2V as BASE_5B

    transformer = CogVideoXTransformer3DModel.from_config(dict(BASE_5B.transformer))
    nothing: Any = None
    base = CogVideoXBase(transformer, nothing, nothing, nothing, scheduler_config={}, name=BASE.repo)
    return CogVideoXMotionAdapter(base)
