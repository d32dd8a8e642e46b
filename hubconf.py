"""Entries for `torch.hub.load`. The names are those of the DisMo repository; importing this file touches no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch.hub takes every callable of this module for an entry
    import os
    from typing import Any

    from dismo_core import CogVideoXMotionAdapter, MotionExtractor

dependencies = [
    "torch",
    "numpy",
    "av",
    "einops",
    "safetensors",
    "huggingface_hub",
    "diffusers",
    "transformers",
    "accelerate",
    "sentencepiece",
    "google.protobuf",
]


def motion_extractor_large(
    pretrained: bool = True, path: str | os.PathLike[str] | None = None, download: bool = True, **options: Any
) -> MotionExtractor:
    """The released motion extractor; CC BY-NC 4.0, non-commercial use only.

    Args:
        pretrained: with the released weights; otherwise random ones.
        path: a file of extractor weights to take instead.
        download: fetch the released file (2.4 GB) where it is not on this machine.
        options: device and dtype, see `dismo_core.load_motion_extractor`.
    """
    from dismo_core import MotionExtractor, load_motion_extractor

    if path is None and not pretrained:
        return MotionExtractor.large().to(**options)
    return load_motion_extractor(path or "large", download=download, **options)


def cogvideox5b_i2v_large(
    pretrained: bool = True,
    path: str | os.PathLike[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    download: bool = True,
    **options: Any,
) -> CogVideoXMotionAdapter:
    """CogVideoX-5B-I2V that follows extracted motion, VAE slicing and tiling on; the adapter is CC BY-NC 4.0, non-commercial.

    Args:
        pretrained: with the released adapter; otherwise the adapter has no weights until `load_adapter`.
        path: an adapter file to take instead.
        base: diffusers folder or hub id of the base model. None = CogVideoX-5b-I2V from the default folder.
        download: fetch what is not on this machine: the adapter (3.2 GB), the base (about 21 GB).
        options: dtype, see `dismo_core.CogVideoXMotionAdapter`.
    """
    from dismo_core import CogVideoXMotionAdapter
    from dismo_core.cogvideox.base import load_base
    from dismo_core.cogvideox.weights import BASE
    from dismo_core.weights.hub import require

    if path is None and pretrained:
        path = require("cogvideox5b_i2v_large", download=download)
    adapter = CogVideoXMotionAdapter.large(load_base(base or BASE.repo, download=download, **options), **options)
    if path is not None:
        adapter.load_adapter(path)
    adapter.base.vae.enable_slicing()
    adapter.base.vae.enable_tiling()
    return adapter


cogvideox5b_i2v = cogvideox5b_i2v_large
