"""From trained models to the files that ship."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from ...files import atomic_write
from ...weights.files import sha256
from ...weights.geometry import KEY as GEOMETRY
from ..geometry import describe
from ..models.extractor import MotionExtractor, fingerprint
from ..models.generator import FrameGenerator

EXTRACTOR_FILE = "dismo_tiny_extractor.safetensors"
GENERATOR_FILE = "dismo_tiny_generator.safetensors"


def export_tiny(extractor: MotionExtractor, generator: FrameGenerator, folder: Path) -> list[Path]:
    """Write both models as bf16 safetensors and `checksums.json`; existing files are replaced.

    The extractor's id is that of the rounded weights, because those are what people load.
    """
    rounded = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in extractor.state_dict().items()}
    own = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in generator.state_dict().items()}
    card = {"license": "CC0-1.0", "extractor": fingerprint(rounded)}
    written = []
    for name, model, tensors in ((EXTRACTOR_FILE, extractor, rounded), (GENERATOR_FILE, generator, own)):
        path = folder / name
        with atomic_write(path, overwrite=True) as temporary:
            temporary.write_bytes(save(tensors, {"format": "pt", GEOMETRY: describe(model), **card}))
        written.append(path)
    sums = folder / "checksums.json"
    with atomic_write(sums, overwrite=True) as temporary:
        temporary.write_text(json.dumps({path.name: sha256(path) for path in written}, indent=2) + "\n")
    return [*written, sums]
