"""Models of CMD from files, and what is bundled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import read_json
from ..weights import registry
from ..weights.files import WeightFile
from ..weights.geometry import KEY
from ..weights.kinds import Kind
from ..weights.load import CHECKSUMS, build, intact
from .checkpoints import Checkpoint, published_stage, read_checkpoint
from .geometry import autoencoder_of, content_model_of, motion_model_of
from .kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL, STEMS
from .models.autoencoder import ContentMotionAutoencoder
from .models.content_dit import ContentDiT
from .models.motion_dit import MotionDiT

if TYPE_CHECKING:
    from .model import ContentMotionModel

TINY = Path(__file__).parents[1] / "assets" / "content_motion" / "tiny"
ENDINGS = (".safetensors", ".sft", ".pt", ".pth")


def load_autoencoder(
    path: str | os.PathLike[str], device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> ContentMotionAutoencoder:
    """An autoencoder, in evaluation mode, without gradients.

    Args:
        path: published checkpoint (.pt), whole or its bare weights, or safetensors.
        device: where it runs.
        dtype: precision in which it runs; float32 is the reference.

    Raises:
        DisMoError: no such file, damaged, of another stage, or names and shapes that do not fit.
    """
    checkpoint = read_checkpoint(path, AUTOENCODER)
    model: ContentMotionAutoencoder = build(checkpoint.file, {"its own": autoencoder_of(checkpoint)})
    model.pin_id()
    return model.to(device, dtype).eval().requires_grad_(False)


def load_motion_model(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    heads: int | None = None,
    preset: str | None = None,
) -> MotionDiT:
    """A motion model, in evaluation mode, without gradients; of a published checkpoint the averaged weights.

    Args:
        path: see `load_autoencoder`.
        device: likewise.
        dtype: likewise.
        size: (H, W) of the content frame, needed where the file does not say.
        frames: of a clip, likewise.
        heads: of attention, needed where the file does not say and the width is none of the presets'.
        preset: such as "L/2", which the file must be of; None = any.

    Raises:
        DisMoError: see `load_autoencoder`; a preset, size or length that contradicts the file.
    """
    checkpoint = read_checkpoint(path, MOTION_MODEL)
    make = motion_model_of(checkpoint, size, frames, heads, preset)
    model: MotionDiT = build(checkpoint.file, {"its own": make})
    return model.to(device, dtype).eval().requires_grad_(False)


def load_content_model(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    size: tuple[int, int] | None = None,
    heads: int | None = None,
    preset: str | None = None,
) -> ContentDiT:
    """A content model, in evaluation mode, without gradients; see `load_motion_model`."""
    checkpoint = read_checkpoint(path, CONTENT_MODEL)
    model: ContentDiT = build(checkpoint.file, {"its own": content_model_of(checkpoint, size, heads, preset)})
    return model.to(device, dtype).eval().requires_grad_(False)


def load_content_motion(
    folder: str | os.PathLike[str], device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> ContentMotionModel:
    """An autoencoder with the diffusion models that belong to it.

    Args:
        folder: "tiny" (bundled), or one that holds `autoencoder`, and `motion_model` and `content_model` where they are there, each as
            .safetensors or .pt; or the file of an autoencoder alone.
        device: where they run, one at a time: see `ContentMotionModel.using`.
        dtype: precision in which they run; float32 is the reference.

    Raises:
        DisMoError: no such folder, no autoencoder in it, or models that do not fit each other; see `load_autoencoder`.
    """
    from .model import ContentMotionModel

    place = tiny_folder() if os.fspath(folder) == "tiny" else Path(folder)
    if place.is_file():
        return ContentMotionModel(load_autoencoder(place, dtype=dtype), device=device)
    if not place.is_dir():
        raise DisMoError(
            f"There is no folder {place} with a CMD model. Give one that holds {STEMS[AUTOENCODER]}.safetensors."
        )
    files = {
        stem: next((f for end in ENDINGS if (f := place / f"{stem}{end}").is_file()), None) for stem in STEMS.values()
    }
    autoencoder, motion, content = files.values()
    if autoencoder is None:
        names = ", ".join(STEMS[AUTOENCODER] + ending for ending in ENDINGS)
        raise DisMoError(f"{place} holds no autoencoder: there is none of {names}.")
    return ContentMotionModel(
        load_autoencoder(autoencoder, dtype=dtype),
        None if motion is None else load_motion_model(motion, dtype=dtype),
        None if content is None else load_content_model(content, dtype=dtype),
        device,
    )


def tiny_folder() -> Path:
    """The folder of the bundled model, every file of it as it was made.

    Raises:
        DisMoError: it is not bundled, or damaged.
    """
    files = tiny_files()
    if not files:
        raise DisMoError(
            "The tiny CMD model is not in this version: its weights are still to be trained. Give a folder with weights of yours; "
            "docs/content-motion.md tells how to train them."
        )
    for path in files.values():
        intact(path)
    return TINY


def tiny_files() -> dict[str, Path]:
    """Name -> weight file of the bundled model, of which checksums.json beside them tells; none where it is not bundled."""
    if not (TINY / CHECKSUMS).is_file():
        return {}
    return {f"content_motion_tiny_{Path(name).stem}": TINY / name for name in read_json(TINY / CHECKSUMS)}


def _candidates(
    kind: Kind, geometry_of: Callable[[Checkpoint], Callable[[], nn.Module]]
) -> Callable[[WeightFile], Iterator[tuple[str, dict[str, Tensor]]]]:
    """What a file of this kind can be: that of the sizes it tells itself."""

    def of_file(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
        if not file.tensors.keys() & set(kind.marks):
            return
        make: Callable[[], Any] = geometry_of(Checkpoint(file))
        with torch.device("meta"):
            yield kind.what.removeprefix("a "), dict(make().state_dict())

    return of_file


def _published(path: Path) -> WeightFile | None:
    """The weights of a whole published checkpoint, with the geometry that its options and shapes tell."""
    stage = published_stage(path)
    if stage is None:
        return None
    checkpoint = read_checkpoint(path, stage)
    makers: dict[Kind, Callable[[Checkpoint], Callable[[], Any]]] = {
        AUTOENCODER: autoencoder_of,
        MOTION_MODEL: motion_model_of,
        CONTENT_MODEL: content_model_of,
    }
    with torch.device("meta"):
        geometry = makers[stage](checkpoint)().geometry
    return WeightFile(path, checkpoint.file.tensors, {KEY: json.dumps(geometry)})


registry.register(
    checkpoints=_published,
    models={
        AUTOENCODER: _candidates(AUTOENCODER, autoencoder_of),
        MOTION_MODEL: _candidates(MOTION_MODEL, motion_model_of),
        CONTENT_MODEL: _candidates(CONTENT_MODEL, content_model_of),
    },
    bundled=tiny_files(),
)
