"""Checkpoints of CMD, both ways: as the release writes them, and as safetensors (docs/methods/content_motion.md, 7)."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write, check_free, save_tensors
from ..training.checkpoint import write_state
from ..weights.files import WeightFile, flat_tensors, read_weights, unpickled
from ..weights.geometry import KEY
from ..weights.kinds import Kind
from ..weights.recognise import require_kind
from .kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL

if TYPE_CHECKING:
    from .models.autoencoder import ContentMotionAutoencoder
    from .models.content_dit import ContentDiT
    from .models.motion_dit import MotionDiT

# The entry of a published checkpoint that holds the trained weights; sampling takes "ema", where it is there.
ENTRIES = {AUTOENCODER: "autoenc", MOTION_MODEL: "mdiff_model", CONTENT_MODEL: "cdiff_model"}
AVERAGE = "ema"
WRAPPED = "module."  # before all names, where a model was saved inside its wrapper for many processes
TABLES = ("pos_embed", "inv_freqs", "scales")  # ends of the names of what is computed, not trained


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one stage.

    Args:
        file: names, tensors and metadata.
        options: under which it was trained, by their published names; empty where the file does not say.
    """

    file: WeightFile
    options: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | os.PathLike[str], kind: Kind) -> Checkpoint:
    """A published checkpoint, whole or bare, or safetensors. A pickle may hold `argparse.Namespace`, and nothing else that is code.

    Raises:
        DisMoError: missing, damaged, of another stage or kind, or a pickle that would have to run code.
    """
    path = Path(path)
    if path.suffix not in (".pt", ".pth") or not path.is_file():
        file = read_weights(path)
        require_kind(kind, file.tensors, str(path))
        return Checkpoint(file)
    own, checkpoint = _opened(path)
    if own is not None and own is not kind:
        raise DisMoError(
            f"{path} is a published checkpoint of {own.what}, not of {kind.what} (it holds {ENTRIES[own]!r}). Give it where that one "
            "is asked for."
        )
    require_kind(kind, checkpoint.file.tensors, str(path))
    return checkpoint


def published_stage(path: Path) -> Kind | None:
    """The stage of a whole published checkpoint; None for anything else.

    Raises:
        DisMoError: damaged, or a pickle that would have to run code.
    """
    return _stage_in(unpickled(path, [argparse.Namespace]))


def _stage_in(content: object) -> Kind | None:
    held = (stage for stage, entry in ENTRIES.items() if isinstance(content, dict) and entry in content)
    return next(held, None)


def _opened(path: Path) -> tuple[Kind | None, Checkpoint]:
    """Stage and weights of a .pt file; no stage where it holds bare weights."""
    content = unpickled(path, [argparse.Namespace])
    options: dict[str, Any] = {}
    own = _stage_in(content)
    if isinstance(content, dict) and own is not None:
        given = content.get("args")
        options = dict(vars(given)) if isinstance(given, argparse.Namespace) else {}
        content = content.get(AVERAGE, content[ENTRIES[own]])
    tensors = flat_tensors(content, path)
    if tensors and all(name.startswith(WRAPPED) for name in tensors):
        tensors = {name.removeprefix(WRAPPED): tensor for name, tensor in tensors.items()}
    metadata = {KEY: str(options[KEY])} if KEY in options else {}  # what was trained here says all of it
    return own, Checkpoint(WeightFile(path, tensors, metadata), options)


def save_model(
    model: ContentMotionAutoencoder | MotionDiT | ContentDiT,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write weights as safetensors, with the geometry in the metadata.

    Args:
        model: of any stage.
        path: ends in .safetensors.
        overwrite: replace an existing file.
        metadata: further entries.
        dtype: of the trained weights in the file; tables of positions stay as they are. None = the model's.

    Raises:
        DisMoError: the file exists and `overwrite` is false, or cannot be written.
    """
    tensors = {
        name: tensor.detach().to("cpu", None if name.endswith(TABLES) else dtype).contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    with atomic_write(path, overwrite=overwrite) as temporary:
        save_tensors(tensors, temporary, {KEY: json.dumps(model.geometry), **(metadata or {})})


def save_published(
    kind: Kind,
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    *,
    average: Mapping[str, Tensor] | None = None,
    optimizer: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a checkpoint that the published classes load strictly.

    Args:
        kind: which stage.
        tensors: the trained weights.
        path: ends in .pt.
        average: averaged weights; None = the trained ones. The autoencoder has none.
        optimizer: its state.
        options: under their published names.
        overwrite: replace an existing file.

    Raises:
        DisMoError: the file exists and `overwrite` is false, or cannot be written.
    """
    content: dict[str, Any] = {ENTRIES[kind]: dict(tensors)}
    if kind is not AUTOENCODER:
        content[AVERAGE] = dict(average or tensors)
    content |= {"opt": dict(optimizer or {}), "args": argparse.Namespace(**(options or {}))}
    check_free(path, overwrite=overwrite)
    write_state(Path(path), content)
