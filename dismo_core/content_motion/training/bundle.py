"""From trained models to the files that ship, as `load_content_motion("tiny")` takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from ...errors import DisMoError
from ...weights.load import CHECKSUMS, write_checksums
from ...weights.manifest import readable
from ..checkpoints import save_model
from ..kinds import STEMS
from ..model import ContentMotionModel
from ..weights import load_autoencoder, load_content_model, load_motion_model

MOST_OF_A_FILE, MOST = 16_000_000, 24_000_000  # bytes
DTYPE = torch.bfloat16


def bundle(
    folder: Path,
    autoencoder: str | os.PathLike[str],
    motion_model: str | os.PathLike[str] | None = None,
    content_model: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Write models as the files that ship, in bfloat16, with their checksums; returns the files.

    The runs need not have ended: a checkpoint holds averaged weights, which are taken.

    Args:
        folder: to write to; what an earlier call left there is replaced, and removed where it has no successor.
        autoencoder: its checkpoint or weights.
        motion_model: likewise; None = there is none, and nothing draws motion.
        content_model: likewise; None = there is none, and any picture is a content frame.

    Raises:
        DisMoError: files that do not load, models that do not belong together, or too many bytes of them.
    """
    model = ContentMotionModel(
        load_autoencoder(autoencoder),
        None if motion_model is None else load_motion_model(motion_model),
        None if content_model is None else load_content_model(content_model),
    )
    parts = (model.autoencoder, model.motion_model, model.content_model)
    files = {folder / f"{stem}.safetensors": part for stem, part in zip(STEMS.values(), parts, strict=True)}
    present = {path: part for path, part in files.items() if part is not None}
    _require_small(present)
    for path in (*files, folder / CHECKSUMS):
        path.unlink(missing_ok=True)
    for path, part in present.items():
        save_model(part, path, dtype=DTYPE)
    return [*present, write_checksums(list(present))]


def _require_small(models: Mapping[Path, torch.nn.Module]) -> None:
    sizes = {path.name: DTYPE.itemsize * sum(p.numel() for p in model.parameters()) for path, model in models.items()}
    if max(sizes.values()) > MOST_OF_A_FILE or sum(sizes.values()) > MOST:
        told = ", ".join(f"{name} {readable(size)}" for name, size in sizes.items())
        raise DisMoError(
            f"These models are too large to ship: {told}; each may have {readable(MOST_OF_A_FILE)}, together {readable(MOST)}. "
            "Train smaller ones."
        )
