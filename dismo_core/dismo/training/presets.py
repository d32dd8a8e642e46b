"""What `dismo train` can train on videos: geometries, sizes and schedules as data; and where their weights start."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...errors import DisMoError
from ...imports import importing
from ...training.loop import Schedule
from ...weights.files import differences, read_weights
from ..models.dino import FrameEncoder
from ..models.extractor import DINO_LARGE, MotionExtractor
from ..models.generator import TINY as TINY_GENERATOR
from ..models.generator import FrameGenerator
from ..models.space_to_depth import SpaceToDepth

log = logging.getLogger(__name__)

Path = str | os.PathLike[str]
TAESD = "madebyollin/taesd"


@dataclass(frozen=True)
class Preset:
    """A model and how it is trained.

    Args:
        extractor: makes it.
        generator: makes it from a frozen autoencoder.
        autoencoder: makes that, from a folder (None = where it usually lies) and whether a download is allowed.
        size: side of the frames in px.
        batch: clips of a process in a batch.
        schedule: see `Schedule`.
        encoder_blocks: last blocks of the DINO encoders that are trained, where those begin with trained weights
            (None, and where they begin at random: all).
        shift: of the flow times towards noise, t' = s t / (1 + (s - 1) t) (Esser et al. 2024); 1 = as published.
        sharded: share out weights and optimizer among the processes, see `World`.
    """

    extractor: Callable[[], MotionExtractor]
    generator: Callable[[Any], FrameGenerator]
    autoencoder: Callable[[Path | None, bool], Any]
    size: int
    batch: int
    schedule: Schedule
    encoder_blocks: int | None = 2
    shift: float = 1.0
    sharded: bool = False


DINO_SMALL = dict(embed_dim=384, depth=12, num_heads=6, image_size=224)
SMALL_EXTRACTOR: dict[str, Any] = dict(width=384, depth=12, d_head=64, d_motion=64, frame_encoder=DINO_SMALL)
SMALL_GENERATOR: dict[str, Any] = dict(
    width=384, depth=12, d_head=64, d_motion=64, mapping_width=384, source_encoder=DINO_SMALL
)
LARGE_GENERATOR: dict[str, Any] = dict(
    width=1152, depth=28, d_head=72, d_motion=128, mapping_width=1024, source_encoder=DINO_LARGE
)
# docs/methods/dismo.md, 6.3
PUBLISHED = Schedule(
    steps=1_000_000, lr=5e-5, warmup=10_000, average=None, save_every=10_000, log_every=50, draw_every=5_000
)


def taesd(source: Path | None, download: bool) -> Any:
    """TAESD from a diffusers folder, else from the hub's cache on this machine; fetched (10 MB) where that is allowed.

    Raises:
        DisMoError: it is not there, or could not be fetched.
    """
    with importing("diffusers"):
        from diffusers import AutoencoderTiny

    try:
        return AutoencoderTiny.from_pretrained(
            os.fspath(source or TAESD), local_files_only=not download or source is not None
        )
    except OSError as error:
        raise DisMoError(
            f"The autoencoder {source or TAESD} is not on this machine ({str(error).splitlines()[0]}).",
            hint="autoencoder",
        ) from error


PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        extractor=MotionExtractor.tiny,
        generator=lambda autoencoder: FrameGenerator(
            **TINY_GENERATOR, autoencoder=autoencoder, train_resolution=(64, 64)
        ),
        autoencoder=lambda source, download: SpaceToDepth(4),
        size=64,
        batch=8,
        schedule=Schedule(steps=20_000, lr=1e-3, warmup=200, average=None, save_every=500, draw_every=500),
        encoder_blocks=None,
        shift=4.0,
    ),
    "small": Preset(
        extractor=lambda: MotionExtractor(**SMALL_EXTRACTOR),
        generator=lambda autoencoder: FrameGenerator(**SMALL_GENERATOR, autoencoder=autoencoder),
        autoencoder=taesd,
        size=256,
        batch=16,
        schedule=Schedule(steps=200_000, lr=2e-4, warmup=2_000, average=None, save_every=2_000, log_every=50),
    ),
    "large": Preset(
        extractor=MotionExtractor.large,
        generator=lambda autoencoder: FrameGenerator(**LARGE_GENERATOR, autoencoder=autoencoder),
        autoencoder=taesd,
        size=256,
        batch=4,
        schedule=PUBLISHED,
        sharded=True,
    ),
}


def build(
    preset: Preset,
    *,
    autoencoder: Path | None = None,
    download: bool = False,
    dino: Path | None = None,
    extractor_weights: Path | None = None,
) -> tuple[MotionExtractor, FrameGenerator]:
    """Extractor and generator of a preset as their training starts, with `requires_grad` set on what is trained.

    Args:
        autoencoder: see `Preset`.
        download: see `Preset`.
        dino: DINOv2 weights with registers of the encoders' size, under Meta's names, for both DINO encoders.
        extractor_weights: released or other weights of the whole extractor (.pt, .safetensors). The generator's encoder
            then starts as the extractor's, unless `dino` is given.

    Raises:
        DisMoError: a file that is missing or does not fit, or no autoencoder.
    """
    extractor, generator = preset.extractor(), preset.generator(preset.autoencoder(autoencoder, download))
    encoders = (extractor.frame_encoder, generator.source_encoder)
    if dino is not None:
        for encoder in encoders:
            _load(encoder.model, dino, "DINO encoder")
    if extractor_weights is not None:
        _load(extractor, extractor_weights, "extractor")
        same = extractor.frame_encoder.model.state_dict()
        if dino is None and not differences(generator.source_encoder.model.state_dict(), same):
            generator.source_encoder.model.load_state_dict(same)
    started = dino is not None or extractor_weights is not None
    if not started and preset.encoder_blocks is not None:
        log.warning(
            "The DINO encoders begin at random and are trained whole, which takes far more data. Published: they begin as "
            "DINOv2 with registers (the choice `dino`) and their last %d blocks are trained.",
            preset.encoder_blocks,
        )
    for encoder in encoders:
        freeze(encoder, preset.encoder_blocks if started else None)
    return extractor, generator


def _load(module: nn.Module, path: Path, what: str) -> None:
    tensors = read_weights(path).tensors
    if problem := differences(module.state_dict(), tensors):
        raise DisMoError(
            f"{os.fspath(path)} does not fit the {what} of this preset. {problem}. Choose the preset or the file that fits."
        )
    module.load_state_dict(tensors)


def freeze(encoder: FrameEncoder, trained_blocks: int | None) -> None:
    """Train the last blocks alone, without the final norm; None = everything that is used."""
    if trained_blocks is not None:
        encoder.requires_grad_(False)
        for block in encoder.model.blocks[len(encoder.model.blocks) - trained_blocks :]:
            block.requires_grad_(True)
    encoder.model.mask_token.requires_grad_(False)  # never used
