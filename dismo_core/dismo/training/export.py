"""From trained models to the files that ship."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save

from ...files import atomic_write
from ...weights.geometry import KEY as GEOMETRY
from ...weights.load import write_checksums
from ..geometry import describe
from ..layered.head import MotionHead
from ..layered.networks import LayeredNetworks
from ..layered.segmenter import Segmenter
from ..models.extractor import MotionExtractor, fingerprint
from ..models.generator import FrameGenerator

EXTRACTOR_FILE = "dismo_tiny_extractor.safetensors"
GENERATOR_FILE = "dismo_tiny_generator.safetensors"
LAYERED_FILE = "layered_model.safetensors"


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
    return [*written, write_checksums(written)]


def export_layered(head: MotionHead, segmenter: Segmenter, folder: Path) -> Path:
    """Write both networks as one file, the segmenter in half precision; an existing file is replaced."""
    networks = LayeredNetworks(head.d_motion, segmenter.widths)
    tensors = {f"head.{name}": value.float().cpu().contiguous() for name, value in head.state_dict().items()}
    for name, value in segmenter.state_dict().items():
        tensors[f"segmenter.{name}"] = value.detach().half().cpu().contiguous()
    card = {"license": "CC0-1.0", "extractor": head.extractor_id}
    path = folder / LAYERED_FILE
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_bytes(save(tensors, {"format": "pt", GEOMETRY: networks.geometry, **card}))
    return path
