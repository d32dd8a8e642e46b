"""Files of motion latents: a few tens of kilobytes, with the content frame inside on request (docs/methods/content_motion.md, 5.1)."""

from __future__ import annotations

import os

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import DisMoError, first_line
from ..files import atomic_write, base_name
from .algebra import MotionLatent

FORMAT = "content-motion"
VERSION = "1"


def write_latent(latent: MotionLatent, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a motion latent, with its content frame and its still motion where it has them.

    Raises:
        DisMoError: the file exists and `overwrite` is false, or cannot be written.
    """
    parts = {"motion": latent.values, "content": latent.content, "still": latent.still}
    # Copies: the format refuses two names for one memory.
    tensors = {
        name: part.detach().float().cpu().contiguous().clone() for name, part in parts.items() if part is not None
    }
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "fps": repr(float(latent.fps)),
        "height": str(latent.size[0]),
        "width": str(latent.size[1]),
        "source": base_name(latent.source),
        "autoencoder": latent.autoencoder,
    }
    data = save(tensors, metadata)
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def read_latent(path: str | os.PathLike[str]) -> MotionLatent:
    """Read a file of a motion latent.

    Raises:
        DisMoError: not there, not a safetensors file, or not a motion latent of a version this code knows.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError, TypeError, ValueError, RuntimeError) as error:  # of torch, about shapes, too
        raise DisMoError(f"Cannot read the motion latent {path}: {first_line(error)}.") from error
    if meta.get("format") != FORMAT or "motion" not in tensors:
        raise DisMoError(
            f"{path} is a safetensors file but not a motion latent (its format entry is {meta.get('format')!r}, not {FORMAT!r}). "
            "A motion latent is encoded from a clip."
        )
    if meta.get("version") != VERSION:
        raise DisMoError(
            f"{path} is a motion latent of version {meta.get('version')!r}; this code reads version {VERSION}. Update the pack."
        )
    try:
        fps, size = float(meta["fps"]), (int(meta["height"]), int(meta["width"]))
    except (KeyError, ValueError) as error:
        raise DisMoError(
            f"{path}: its fps, height or width entry is missing or no number. Encode the clip again."
        ) from error
    return MotionLatent(
        tensors["motion"],
        fps,
        size,
        meta.get("autoencoder", ""),
        meta.get("source", ""),
        tensors.get("content"),
        tensors.get("still"),
    )
